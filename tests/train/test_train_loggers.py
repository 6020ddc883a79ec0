"""Where figures and images go."""

import importlib.util
import threading
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_train_loop import train

from train.loop.event_file import EventFile


def read(run_folder) -> EventAccumulator:
    events = EventAccumulator(str(run_folder / "tensorboard"))
    events.Reload()
    return events


def test_tensorboard_has_figures_of_every_step_and_the_grid(write_run, tmp_path):
    train(write_run(validate_every=2))
    events = read(tmp_path / "run")
    for name in ("loss", "gradient_norm", "learning_rate", "samples_per_second", "memory_gb"):
        assert [event.step for event in events.Scalars(f"pretrain_diffae/{name}")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("pretrain_diffae/validation_psnr_noise")] == [2, 4]
    assert [event.step for event in events.Images("pretrain_diffae/validation")] == [2, 4]


def test_tensorboard_forgets_what_a_resumed_run_does_again(write_run, tmp_path):
    config = write_run(checkpoint_every=2, checkpoints_kept=3)
    train(config)
    train(config, "--resume", "step-0000002")
    assert [event.step for event in read(tmp_path / "run").Scalars("pretrain_diffae/loss")] == [1, 2, 3, 4]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which is a full disk")
def test_full_disk_is_met_by_the_line_that_writes_and_no_thread(tmp_path):
    path, threads = tmp_path / "events", threading.active_count()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        EventFile(path, first_step=1)
    assert threading.active_count() == threads


def test_no_logger_writes_nothing(write_run, tmp_path):
    train(write_run(trackers=[], max_steps=1))
    assert not (tmp_path / "run/tensorboard").exists()


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_logger_that_is_not_installed_is_an_error_at_the_start(write_run, tmp_path, name):
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    with pytest.raises(ValueError, match=f"pip install {name}"):
        train(write_run(), "--report_to", "tensorboard", name)
    assert not (tmp_path / "run").exists()


def test_an_unknown_logger_is_named(write_run):
    with pytest.raises(ValueError, match=r"tensorboard, wandb, trackio, received \['tensorbord'\]"):
        train(write_run(), "--report_to", "tensorbord")
