"""`kill -9` (or another signal) at random moments of a command, which is then run again: nothing partial, same bytes.

    python benchmarks/kill.py --room reenact --kills 50 --seed 0
    python benchmarks/kill.py --room prepare train evaluate batch --kills 50
    python benchmarks/kill.py --room reenact --kills 50 --signal TERM

An unbroken run comes first; its time is what moments are drawn from, and its files are what the others end with, byte
for byte. A command is killed, begun again in the same folder and killed again, until a run ends by itself. After every
kill no process of it is left, and what was finished before stands untouched after the next. Kills count where they met
a run; runs that ended before are the ones that are compared.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import psutil  # noqa: E402
from kill_rooms import ROOMS, ROOT, Room, hashes  # noqa: E402

ORPHAN_S = 120
# A process that has imported everything and done nothing yet: what is forked from it starts at once.
PRELOADED = (
    "diffusionact.cli", "diffusionact.commands.evaluate", "diffusionact.evaluation", "diffusionact.video",
    "matplotlib.backends.backend_svg", "train.commands.training", "train.commands.preparation",
)  # fmt: skip


def main() -> None:
    """Kill the chosen rooms; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description="Kill commands at random moments and run them again.")
    parser.add_argument("--room", choices=("all", *ROOMS), nargs="+", default=["all"])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    faults = 0
    for name in ROOMS if "all" in options.room else options.room:
        with tempfile.TemporaryDirectory() as base:
            row = kill(name, Path(base), options, context)
        faults += row["faults"]
        print(json.dumps(row), flush=True)
    raise SystemExit(bool(faults))


def kill(name: str, base: Path, options: argparse.Namespace, context) -> dict[str, object]:
    """Kill a room's command at random moments and run it again each time; counts of what was seen."""
    common = made(base / "common")
    process = context.Process(target=make_common, args=(name, common))  # its threads are no business of ours
    process.start()
    process.join()
    unbroken = Runs(ROOMS[name], common, made(base / "whole"), context)
    started = time.perf_counter()
    if unbroken.start().wait() or not (expected := unbroken.content()):
        raise RuntimeError(f"Expected an unbroken run of {name}, received:\n{unbroken.log()}")
    duration = time.perf_counter() - started
    moments, number = random.Random(options.seed), signal.Signals[f"SIG{options.signal}"]
    kills, chains, bad = 0, 0, []
    while kills < options.kills:
        chains += 1
        runs = Runs(ROOMS[name], common, made(base / f"run{chains}"), context)
        while runs.start().was_killed_after(moments.uniform(0, duration), number) and kills < options.kills:
            kills += 1
            bad += [f"kill {kills}: {fault}" for fault in runs.faults_after_kill(number, expected)]
        if kills == options.kills:
            runs.end()
            runs.start()
        if (code := runs.wait()) or runs.content() != expected:
            bad.append(
                f"chain {chains} ended with {code}: {sorted(set(runs.content().items()) ^ set(expected.items()))}"
            )
        bad += [f"chain {chains}: {fault}" for fault in runs.faults_of_finished()]
    for line in bad:
        print(f"  {name} {line}", flush=True)
    return {"room": name, "signal": options.signal, "kills": kills, "chains": chains, "faults": len(bad),
            "unbroken_s": round(duration, 2)}  # fmt: skip


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def make_common(name: str, common: Path) -> None:
    """Write what a room's command reads."""
    ROOMS[name].make(common)


def _work(run: Callable[[list[str]], int | None], words: list[str], log: Path) -> None:
    os.setpgrp()
    logging.disable(logging.CRITICAL)
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    raise SystemExit(run(words) or 0)


class Runs:
    """A command that is run in one folder, again and again.

    Args:
        room: the command.
        common: folder of what it reads.
        folder: empty, for its outputs.
        log: what it prints; None puts it beside the folder.
    """

    def __init__(self, room: Room, common: Path, folder: Path, context, log: Path | None = None) -> None:
        self.room, self.common, self.folder, self._context = room, common, folder, context
        self._log = log or folder.with_name(f"{folder.name}.log")
        self._finished: set[str] = set()
        for name, text in room.files.items():
            (folder / name).write_text(self._filled(text))

    def _filled(self, text: str) -> str:
        return text.replace("{folder}", str(self.folder)).replace("{common}", str(self.common))

    def start(self) -> Runs:
        """Begin the command."""
        words = [self._filled(word) for word in self.room.words]
        self._process = self._context.Process(target=_work, args=(self.room.run, words, self._log))
        self._process.start()
        return self

    def wait(self) -> int | None:
        """Its exit code."""
        self._process.join()
        return self._process.exitcode

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()

    def content(self) -> dict[str, str]:
        """What is compared."""
        return self.room.content(self.folder)

    def was_killed_after(self, seconds: float, number: int) -> bool:
        """Send a signal after a while; False if the command had ended before."""
        self._process.join(seconds)
        if not self._process.is_alive():
            return False
        os.kill(self._process.pid, number)
        self._process.join(ORPHAN_S)
        return True

    def end(self) -> None:
        """End the command without counting it."""
        self._process.kill()
        self._process.join()

    def faults_after_kill(self, number: int, expected: dict[str, str]) -> list[str]:
        """What must not be there: a process, files of another content under final names, leftovers of a soft end."""
        faults = self._orphans()
        if self._process.is_alive():
            faults.append("did not end")
            self.end()
        whole = hashes(self.folder, self.room.whole)
        faults += [f"partial {name}" for name, content in whole.items() if expected.get(name) != content]
        left = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*.tmp*")]
        if number == signal.SIGTERM and left and self.room.unwinds:
            faults.append(f"left {left}")
        return faults + self.faults_of_finished()

    def faults_of_finished(self) -> list[str]:
        """What was finished before and is no longer, or was made again."""
        before, self._finished = self._finished, self.room.finished(self.folder)
        lost = sorted(before - self._finished)
        return [f"lost or made again: {lost}"] if lost else []

    def _orphans(self) -> list[str]:
        """Workers end by themselves; those that do not are ended here."""
        deadline = time.monotonic() + ORPHAN_S
        while (left := _group(self._process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in left:
            process.kill()
        return [f"{len(left)} processes are left"] if left else []


def _group(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != leader and os.getpgid(process.pid) == leader:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


if __name__ == "__main__":
    main()
