"""Training in several processes, started from outside."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ONE = [sys.executable]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def run(launcher: list[str], config: Path, *arguments: str) -> None:
    command = [*launcher, "train/train.py", "--config", str(config), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


def scalars(run_folder: Path, name: str) -> list[float]:
    events = EventAccumulator(str(run_folder / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars(name)]


@pytest.mark.slow
def test_two_processes_follow_the_curve_of_one_with_twice_the_batch(write_run, tmp_path):
    common = {"max_steps": 6, "checkpoint_every": 6, "accumulation_steps": 2}
    run(ONE, write_run("one", batch_size=4, **common))
    run(TWO, write_run("two", batch_size=2, **common))
    assert (tmp_path / "two/checkpoints/step-0000006/random_states_1.pkl").is_file()
    for name in ("loss", "denoising", "regression", "gradient_norm"):
        one, two = (scalars(tmp_path / run_name, f"pretrain_diffae/{name}") for run_name in ("one", "two"))
        assert len(one) == 6 and len(set(one)) == 6
        assert two == pytest.approx(one, rel=2e-4), name


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
def test_a_run_of_two_processes_goes_on_in_one_with_as_many_samples(write_run, tmp_path):
    constant = ("--override", "optimiser.schedule=constant")
    run(ONE, write_run("whole", batch_size=4, checkpoint_every=4), *constant)
    config = write_run("moved", batch_size=2)
    run(TWO, config, *constant, "loop.max_steps=2")
    run(ONE, config, "--resume", "latest", *constant, "loop.batch_size=4")
    whole, moved = (scalars(tmp_path / name, "pretrain_diffae/loss") for name in ("whole", "moved"))
    assert "changed since step-0000002: num_processes: 2 -> 1" in (tmp_path / "moved/train.log").read_text()
    assert len(moved) == 4 and moved == pytest.approx(whole, rel=2e-4)


@pytest.mark.slow
def test_accelerate_launches_the_script_by_path(write_run, tmp_path):
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    run(launcher, write_run())
    assert (tmp_path / "run/model/unet/config.json").is_file()
