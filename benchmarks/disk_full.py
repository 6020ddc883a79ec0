"""Commands whose outputs do not fit on the disk: a clear error, nothing partial, and the next run ends as it should.

    mkdir /tmp/small && mount -t tmpfs -o size=4m tmpfs /tmp/small
    python benchmarks/disk_full.py --folder /tmp/small --room all

The folder is a file system of its own, and small. It is filled but for so many bytes, the command runs into the wall,
the filling goes, and the command is run again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

from kill import PRELOADED, Runs, made, make_common
from kill_rooms import ROOMS, ROOT, hashes

FREE_KB = (0, 4, 12, 32, 64, 128, 256)
FILLING = "filling"


def main() -> None:
    """Run the chosen rooms into a full disk; exit code 1 if something was wrong."""
    parser = argparse.ArgumentParser(description="Commands whose outputs do not fit on the disk.")
    parser.add_argument("--folder", type=Path, required=True, help="an empty file system of a few megabytes")
    parser.add_argument("--room", choices=("all", *ROOMS), nargs="+", default=["all"])
    options = parser.parse_args()
    if shutil.disk_usage(options.folder).total > 64 << 20:
        parser.error("Expected a file system of at most 64 MB as --folder: it will be filled.")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    bad = 0
    for name in ROOMS if "all" in options.room else options.room:
        with tempfile.TemporaryDirectory() as base:
            row = run_full(name, Path(base), options.folder, context)
        bad += len(row["faults"])
        print(json.dumps(row), flush=True)
    raise SystemExit(bool(bad))


def run_full(name: str, base: Path, disk: Path, context) -> dict[str, object]:
    """One room with every amount of free space."""
    common, room, faults, fitted, told = made(base / "common"), ROOMS[name], [], 0, set()
    process = context.Process(target=make_common, args=(name, common))
    process.start()
    process.join()
    unbroken = Runs(room, common, made(base / "whole"), context)
    if unbroken.start().wait():
        raise RuntimeError(f"Expected an unbroken run of {name}, received:\n{unbroken.log()}")
    expected = unbroken.content()
    for free in FREE_KB:
        folder = made(disk / "run")
        runs = Runs(room, common, folder, context, log=base / f"{free}.log")
        fill(disk, free << 10)
        code, log = runs.start().wait(), runs.log()
        (disk / FILLING).unlink()
        fitted += not code
        if code:
            told.add(log.strip().splitlines()[-1][:160] if log.strip() else "nothing")
        faults += [f"{free} KB: {fault}" for fault in faults_of(room, folder, expected, code, log)]
        again = runs.start().wait()
        if again or runs.content() != expected:
            faults.append(f"{free} KB: the next run ended with {again}, or other files: {runs.log()[-300:]}")
        shutil.rmtree(folder)
    return {"room": name, "runs": len(FREE_KB), "fitted": fitted, "faults": faults, "told": sorted(told)}


def fill(disk: Path, free: int) -> None:
    """Write a file that leaves so many bytes."""
    with (disk / FILLING).open("wb", buffering=0) as file:
        file.write(bytes(max(0, shutil.disk_usage(disk).free - free)))


def faults_of(room, folder: Path, expected: dict[str, str], code: int | None, log: str) -> list[str]:
    """What must not be after a command met a full disk."""
    faults = []
    if "Traceback" in log:
        faults.append(f"a traceback: {log[-700:]}")
    if code is not None and code < 0:
        faults.append(f"the process died of signal {-code}")
    whole = hashes(folder, room.whole)
    faults += [f"partial {name}" for name, content in whole.items() if expected.get(name) != content]
    left = [str(path.relative_to(folder)) for path in folder.rglob("*.tmp*")]
    return faults + ([f"left {left}"] if left and room.unwinds else [])


if __name__ == "__main__":
    main()
