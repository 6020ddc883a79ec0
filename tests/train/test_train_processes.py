"""Training in several processes, started from outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def run(command: list[str]) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.slow
def test_two_processes_train_together(write_run, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    config = write_run(mixed_precision="bf16", validate_every=4)
    run([*launcher, "train/train.py", "--config", str(config)])
    assert (tmp_path / "run/checkpoints/step-0000004/random_states_1.pkl").is_file()
    assert (tmp_path / "run/model/unet/config.json").is_file()


@pytest.mark.slow
def test_accelerate_launches_the_script_by_path(write_run, tmp_path):
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    run([*launcher, "train/train.py", "--config", str(write_run())])
    assert (tmp_path / "run/model/unet/config.json").is_file()
