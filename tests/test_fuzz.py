"""A seeded part of the fuzzing: mutated files at the doors, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOORS = ("photo", "video", "sound", "saved", "shards", "config")
pytest.importorskip("dacite", reason="dacite (train extra) is absent")


def test_server_ends_with_a_benchmark_that_is_killed(tmp_path):
    script = (
        "import os, signal, subprocess, guarded\n"
        "server = subprocess.Popen(['sleep', '300'])\n"
        "guarded.end_with_us(server)\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT / "benchmarks", stdout=subprocess.PIPE, text=True
    )
    server = psutil.Process(int(killed.stdout.readline()))
    assert killed.wait() == -9
    psutil.wait_procs([server], timeout=300)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_mutated_files_give_a_result_or_a_clear_error(tmp_path):
    words = [sys.executable, "benchmarks/fuzz.py", "--door", *DOORS, "--cases", "60", "--seed", "2"]
    counts = tmp_path / "counts.json"
    done = subprocess.run(
        [*words, "--output", str(counts)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    rows = json.loads(counts.read_text())
    assert [row["door"] for row in rows] == list(DOORS)
    for row in rows:
        assert row["result"] + row["clear error"] == row["cases"] == 60
        assert row["result"] and row["clear error"] and row["grown_mb"] < 200
