"""Mutated files at every door of the product: each must give a result or a clear error, whatever is in it.

    python benchmarks/fuzz.py --door photo --cases 1000 --seed 0
    python benchmarks/fuzz.py --door photo video saved --cases 40
    python benchmarks/fuzz.py --door all --cases 1000 --seed 0 --output benchmarks/results/fuzz.json

Cases run in a process of their own, so that an abort is seen as a dead process and a hang can be ended. The case of a
door, seed and number is always the same; `--only NUMBER` runs one and shows its traceback, `--keep FOLDER` keeps the
files of cases that went wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import resource
import shutil
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np  # noqa: E402
import torch  # noqa: E402
from fuzz_doors import DOORS, Door  # noqa: E402

import diffusionact  # noqa: E402, F401 - processes that are forked have it already

HANG_S = 60
START_S = 600
RESULT, CLEAR, TRACEBACK, UNCLEAR, HANG, DEAD, PARTIAL = OUTCOMES = (
    "result", "clear error", "traceback", "unclear error", "hang", "dead process", "partial file",
)  # fmt: skip
CLEAR_WORDS = (
    "Expected",
    "No face",
    "Out of memory",
    "is in use",
    "of the authors' files",
    "is not in the list of choices",
    "is less than minimum value",
    "is greater than maximum value",
)


def main() -> None:
    """Fuzz the chosen doors; exit code 1 if a case went wrong."""
    options = _parser().parse_args()
    torch.set_num_threads(1)
    names = list(DOORS) if "all" in options.door else options.door
    rows = [fuzz(name, options) for name in names]
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n")
    bad = sum(row[outcome] for row in rows for outcome in OUTCOMES if outcome not in (RESULT, CLEAR))
    raise SystemExit(bool(bad))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Mutated files at every door of the product.")
    parser.add_argument("--door", choices=("all", *DOORS), nargs="+", default=["all"])
    parser.add_argument("--cases", type=int, default=1000, help="of each door (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of the one case to run, with its traceback")
    parser.add_argument("--keep", type=Path, help="folder for the files of cases that went wrong")
    parser.add_argument("--output", type=Path, help="also write the counts as JSON")
    return parser


def fuzz(name: str, options: argparse.Namespace) -> dict[str, int | str | float]:
    """Run all cases of a door and print what became of them."""
    numbers = range(options.cases) if options.only is None else [options.only]
    counts, started, peak = Counter(dict.fromkeys(OUTCOMES, 0)), time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(name, options.seed, Path(folder))
        for number in numbers:
            outcome, words, memory = worker.run(number)
            counts[outcome] += 1
            peak = max(peak, memory)
            if outcome not in (RESULT, CLEAR) or options.only is not None:
                print(f"  {name} case {number}: {outcome}: {words}", flush=True)
                if options.keep:
                    _keep(worker.case, options.keep / f"{name}-{number}")
        worker.close()
    row = {"door": name, "cases": len(numbers), **counts, "grown_mb": peak}
    row["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(row), flush=True)
    return row


def _keep(case: Path, folder: Path) -> None:
    shutil.copytree(case, folder, dirs_exist_ok=True, symlinks=True)


class Worker:
    """A process that runs cases; it is started anew when it died or hung."""

    def __init__(self, door: str, seed: int, folder: Path) -> None:
        self._door, self._seed, self._folder = door, seed, folder
        self.case = folder / "case"
        self._start()

    def _start(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        arguments = (other, self._door, self._seed, self._folder)
        self._process = context.Process(target=_work, args=arguments, daemon=False)
        self._process.start()
        other.close()
        if not self._pipe.poll(START_S) or self._pipe.recv() != "ready":
            raise RuntimeError(f"Expected a process for the door {self._door}, received none.")

    def run(self, number: int) -> tuple[str, str, int]:
        """Outcome of a case, its words, and how much the process's peak of memory has grown, megabytes."""
        self._pipe.send(number)
        try:
            if self._pipe.poll(HANG_S):
                return self._pipe.recv()
            outcome = HANG
        except (EOFError, ConnectionError):
            outcome = DEAD
        self._process.kill()
        self._process.join()
        words = f"exit code {self._process.exitcode}"
        self._start()
        return outcome, words, 0

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join(30)


def _work(pipe: Connection, name: str, seed: int, folder: Path) -> None:
    """What the process does: cases until none is asked for."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    warnings.filterwarnings("ignore")
    seeds = folder / "seeds"
    shutil.rmtree(seeds, ignore_errors=True)
    seeds.mkdir()
    door = DOORS[name](seeds)
    before = _peak_mb()
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        outcome, words = _run_case(door, np.random.default_rng([seed, number]), folder / "case")
        pipe.send((outcome, words, _peak_mb() - before))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _run_case(door: Door, random: np.random.Generator, case: Path) -> tuple[str, str]:
    shutil.rmtree(case, ignore_errors=True)
    output = case / "output"
    output.mkdir(parents=True)
    name = list(door.seeds)[int(random.integers(len(door.seeds)))]
    file = case / name.replace("/", "__")
    file.write_bytes(door.mutation(door.seeds[name], random))
    try:
        door.enter(file, output)
    except door.clear as error:
        if not any(words in str(error) for words in CLEAR_WORDS):
            return UNCLEAR, f"{name}: {type(error).__name__}: {error}"[:300]
        left = sorted(path.name for path in output.rglob("*"))
        return (PARTIAL, f"{name}: {left}") if left else (CLEAR, str(error)[:300])
    except Exception:  # noqa: BLE001 - what is counted
        return TRACEBACK, f"{name}: {traceback.format_exc(limit=-3)}"
    left = sorted(path.name for path in output.rglob("*.tmp*"))
    return (PARTIAL, f"{name}: {left}") if left else (RESULT, name)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
