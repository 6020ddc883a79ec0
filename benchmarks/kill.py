"""`kill -9` (or another signal) at random moments of a command, which is then run again: nothing partial, same bytes.

    python benchmarks/kill.py --room reenact --kills 50 --seed 0
    python benchmarks/kill.py --room all --kills 50
    python benchmarks/kill.py --room reenact --kills 50 --signal TERM

The unbroken run comes first; its time is what moments are drawn from, and its files are what the resumed runs are
compared with, byte for byte. After every kill the files that stand under their final names must be whole.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
MEDIA = ROOT / "diffusionact" / "demo" / "media"


@dataclass(frozen=True)
class Room:
    """A command that is killed.

    Attributes:
        run: (folder) -> exit code; the same call begins, and goes on.
        results: patterns of the files that must be the same at the end, and whole at every moment.
        grows: the files of a killed run may be fewer or older: finished work that a resume goes on from.
    """

    run: Callable[[Path], int | None]
    results: tuple[str, ...]
    grows: bool = False


def reenact_room(common: Path) -> Room:
    """A photo and a clip into a video."""
    from tiny_model import make_tiny_model

    from diffusionact.cli import main

    model = make_tiny_model(common / "model")
    words = ["reenact", str(MEDIA / "source.png"), str(MEDIA / "driving.mp4"), "--model", str(model), "--end", "0.4"]
    return Room(lambda folder: main([*words, "--overwrite", "-o", str(folder / "out.mp4")]), ("out.mp4",))


def encode_room(common: Path) -> Room:
    """A photo into a saved source."""
    from tiny_model import make_tiny_model

    from diffusionact.cli import main

    words = ["encode", str(MEDIA / "source.png"), "--model", str(make_tiny_model(common / "model")), "--overwrite"]
    return Room(lambda folder: main([*words, "-o", str(folder / "a.safetensors")]), ("a.safetensors",))


def import_room(common: Path) -> Room:
    """The authors' files, at tiny size, into the weights folder."""
    from official_files import TINY, write_all

    from diffusionact.conversion.importing import import_files

    write_all(common / "official", TINY, ("s3fd", "fan", "gaze", "emoca", "flame"))

    def run(folder: Path) -> int:
        outcomes = import_files([common / "official"], folder / "weights", progress=False)
        return int(any(outcome.status == "failed" for outcome in outcomes))

    return Room(run, ("weights/**/*.safetensors",), grows=True)


def train_room(common: Path) -> Room:
    """A tiny training run with a checkpoint after every step."""
    import yaml

    from train.commands.training import main

    # Its helpers make the tiny shards; another conftest lies in tests/.
    path = ROOT / "tests" / "train" / "conftest.py"
    spec = importlib.util.spec_from_file_location("train_conftest", path)
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    conftest.write_shards(common / "shards")
    values = {
        "stage": "pretrain_diffae",
        "data": {"folder": str(common / "shards"), "sample_size": 16, "validation_every": 4},
        "optimiser": {"warm_up_steps": 1},
        "loop": {"cpu": True, "mixed_precision": "no", "max_steps": 8, "batch_size": 4, "validate_every": 0,
                 "log_every": 1, "checkpoint_every": 1},
        "settings": conftest.TINY_NETWORKS,
    }  # fmt: skip
    (common / "run.yaml").write_text(yaml.safe_dump(values | {"run_folder": str(common / "unused")}))

    def run(folder: Path) -> int | None:
        override = f"run_folder={folder / 'run'}"
        return main(["--config", str(common / "run.yaml"), "--resume", "latest", "--override", override])

    return Room(run, ("run/model/**/*.safetensors",), grows=True)


ROOMS = {
    "reenact": reenact_room, "encode": encode_room, "import": import_room, "train": train_room,
}  # fmt: skip


def _hashes(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    files = {path for pattern in patterns for path in folder.glob(pattern) if not path.name.startswith(".")}
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def _started(room: Room, folder: Path) -> multiprocessing.Process:
    def work() -> None:
        os.setpgrp()
        logging.disable(logging.CRITICAL)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        raise SystemExit(room.run(folder) or 0)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def _end(process: multiprocessing.Process, number: int) -> None:
    """Send a signal, with SIGKILL to the processes that it started, too."""
    if process.is_alive():
        os.kill(process.pid, number)
    process.join(60)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill(name: str, kills: int, seed: int, number: int) -> dict[str, object]:
    """Kill a room's command at random moments and run it again each time."""
    moments, bad, inside = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as base:
        common = Path(base, "common")
        common.mkdir()
        room, whole = ROOMS[name](common), Path(base, "whole")
        whole.mkdir()
        started = time.perf_counter()
        process = _started(room, whole)
        process.join()
        duration, expected = time.perf_counter() - started, _hashes(whole, room.results)
        if process.exitcode or not expected:
            raise RuntimeError(f"Expected an unbroken run of {name}, received exit code {process.exitcode}.")
        for index in range(kills):
            folder = Path(base, f"run{index}")
            folder.mkdir()
            process = _started(room, folder)
            time.sleep(moments.uniform(0, duration))
            inside += process.is_alive()
            _end(process, number)
            faults = _faults_after(room, folder, expected, number)
            again = _started(room, folder)
            again.join()
            if again.exitcode or _hashes(folder, room.results) != expected:
                faults.append(f"the next run ended with {again.exitcode}, other files: {_hashes(folder, room.results)}")
            bad += [f"kill {index}: {fault}" for fault in faults]
            shutil.rmtree(folder)
    for line in bad:
        print(f"  {name} {line}", flush=True)
    return {"room": name, "signal": number, "kills": kills, "while_running": inside, "faults": len(bad),
            "unbroken_s": round(duration, 2)}  # fmt: skip


def _faults_after(room: Room, folder: Path, expected: dict[str, str], number: int) -> list[str]:
    """What must not be there after a kill: files of another content under final names, or leftovers of a soft end."""
    found = _hashes(folder, room.results)
    other = [name for name, content in found.items() if expected.get(name) != content]
    faults = [f"partial {name}" for name in other] if not room.grows else []
    left = [path.name for path in folder.rglob("*.tmp*")]
    if number == signal.SIGTERM and left and not room.grows:
        faults.append(f"left {left}")
    return faults


def main() -> None:
    """Kill the chosen rooms; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description="Kill commands at random moments and run them again.")
    parser.add_argument("--room", choices=("all", *ROOMS), default="all")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    options = parser.parse_args()
    torch.set_num_threads(1)
    faults = 0
    for name in ROOMS if options.room == "all" else [options.room]:
        row = kill(name, options.kills, options.seed, signal.Signals[f"SIG{options.signal}"])
        faults += row["faults"]
        print(json.dumps(row), flush=True)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
