"""Training in several processes, started from outside."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_train_loop import train
from tiny_runs import write_config

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
COMMON = {"max_steps": 6, "accumulation_steps": 2, "checkpoints_kept": 3}
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def run(launcher: list[str], config: Path, *arguments: str) -> None:
    command = [*launcher, "train/train.py", "--config", str(config), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


def scalars(run_folder: Path, name: str) -> list[float]:
    events = EventAccumulator(str(run_folder / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars(name)]


@pytest.fixture(scope="module")
def one(shard_folder, tmp_path_factory) -> Path:
    """The run folder of one process, this one, with four samples in a batch; do not write into it."""
    folder = tmp_path_factory.mktemp("one")
    train(write_config(folder, shard_folder, "run", batch_size=4, **COMMON))
    return folder / "run"


@pytest.fixture(scope="module")
def two(shard_folder, tmp_path_factory) -> Path:
    """The same of two processes with two samples each."""
    folder = tmp_path_factory.mktemp("two")
    run(TWO, write_config(folder, shard_folder, "run", batch_size=2, **COMMON))
    return folder / "run"


@pytest.mark.slow
def test_two_processes_follow_the_curve_of_one_with_twice_the_batch(one, two):
    assert (two / "checkpoints/step-0000006/random_states_1.pkl").is_file()
    for name in ("loss", "denoising", "regression", "gradient_norm"):
        alone, both = (scalars(folder, f"pretrain_diffae/{name}") for folder in (one, two))
        assert len(alone) == 6 and len(set(alone)) == 6
        assert both == pytest.approx(alone, rel=2e-4), name


@pytest.mark.slow
def test_two_processes_validate_export_and_killed_end_as_unbroken(write_run, tmp_path):
    common = {"max_steps": 6, "mixed_precision": "bf16", "validate_every": 6}
    run(TWO, write_run("whole", checkpoint_every=6, **common))
    assert (tmp_path / "whole/images/step-0000006.png").is_file()
    assert (tmp_path / "whole/model/unet/config.json").is_file()
    config = write_run("killed", checkpoint_every=1, **common)
    command = [*TWO, "train/train.py", "--config", str(config)]
    started = subprocess.Popen(command, cwd=REPOSITORY, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "killed").glob("checkpoints/step-*")):
        assert started.poll() is None
        time.sleep(0.01)
    for process in [started, *psutil.Process(started.pid).children(recursive=True)]:
        process.kill()  # torchrun, and the processes that it started
    started.wait()
    run(TWO, config, "--resume", "latest")
    name = "checkpoints/step-0000006/model.safetensors"
    whole, killed = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
    assert all(whole[key].equal(killed[key]) for key in whole)


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_in_one_with_as_many_samples(one, two, write_run, tmp_path):
    shutil.copytree(two, tmp_path / "moved")
    train(write_run("moved", batch_size=4, **COMMON), "--resume", "step-0000002")
    whole, moved = (scalars(folder, "pretrain_diffae/loss") for folder in (one, tmp_path / "moved"))
    assert "changed since step-0000002: num_processes: 2 -> 1" in (tmp_path / "moved/train.log").read_text()
    assert len(moved) == 6 and moved == pytest.approx(whole, rel=2e-4)
