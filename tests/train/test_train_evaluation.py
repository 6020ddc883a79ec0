"""`train/evaluate.py`: two processes share the pairs of a report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_two_processes_share_pairs_and_one_writes_the_report(portrait, tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "evaluation"))
    from evaluation_data import shard_frame, write_data, write_tiny_arcface

    frames = {name: [shard_frame(portrait, name, 0), shard_frame(portrait, name, 1)] for name in ("ann", "bob")}
    data = write_data(tmp_path / "data", frames)
    words = ["--data", str(data), "-o", str(tmp_path / "report"), "--model", f"tiny={tiny_model_folder}"]
    words += ["--identity", str(write_tiny_arcface(tmp_path / "arcface.safetensors")), "--device", "cpu"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, str(ROOT / "train" / "evaluate.py"), *words, "--dtype", "float32"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    parts = sorted((tmp_path / "report" / "parts").iterdir())
    assert [path.name for path in parts] == ["part-000-of-002.jsonl", "part-001-of-002.jsonl"]
    counts = [len(path.read_text().splitlines()) for path in parts]
    assert counts == [4, 4]  # two pairs, four methods
    (table, _) = json.loads((tmp_path / "report" / "results.json").read_text())["tables"]
    assert [row["frames"] for row in table["rows"]] == [2, 2, 2, 2]
