"""Checkpoints and model folders, whatever moment a process is killed at."""

import multiprocessing
import os
import random
import shutil
import time

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from test_train_loop import logged_losses, make_loop, train

from train.commands import training as command
from train.loop import checkpoints, training_loop
from train.loop.checkpoints import find_checkpoint, list_checkpoints, prepare_replacement, recover, replace_folder


class Killed(BaseException):
    """The process ends here."""


def write_folder(folder, content: str) -> None:
    for name in ("first", "second"):
        (folder / name).write_text(content)


def end_at(monkeypatch, moment: int) -> None:
    """Let the process end just before the N-th change of names or removal."""
    left = [moment]

    def ending(change):
        def changed(*arguments, **keywords):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return change(*arguments, **keywords)

        return changed

    monkeypatch.setattr(checkpoints.os, "replace", ending(os.replace))
    monkeypatch.setattr(checkpoints.shutil, "rmtree", ending(shutil.rmtree))


@pytest.mark.parametrize("moment", range(7))
def test_a_model_folder_is_old_or_new_wherever_its_replacement_ends(tmp_path, monkeypatch, moment):
    final = tmp_path / "model"
    final.mkdir()
    write_folder(final, "old")
    with monkeypatch.context() as patched:
        end_at(patched, moment)
        try:
            temporary = prepare_replacement(final)
            write_folder(temporary, "new")
            replace_folder(temporary, final)
            ended = False
        except Killed:
            ended = True
    assert ended == (moment < 6)
    recover(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    contents = {(final / name).read_text() for name in ("first", "second")}
    assert contents == ({"old"} if moment < 2 else {"new"})


def test_half_a_checkpoint_is_removed_and_never_found(tmp_path):
    final = tmp_path / "checkpoints/step-0000002"
    (prepare_replacement(final) / "half").touch()
    assert find_checkpoint(tmp_path, "latest") is None
    recover(tmp_path)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="step-0000007"):
        find_checkpoint(tmp_path, "step-0000007")


def test_resume_latest_begins_where_there_is_nothing_to_resume(write_run, tmp_path):
    train(write_run(max_steps=1), "--resume", "latest")
    assert "no checkpoint" in (tmp_path / "run/train.log").read_text()
    assert find_checkpoint(tmp_path / "run", "latest").name == "step-0000001"


def test_going_on_from_an_older_checkpoint_sets_later_ones_aside(write_run, tmp_path):
    config = write_run(checkpoint_every=1, checkpoints_kept=3)
    train(config)
    train(config, "--resume", "step-0000002", "--override", "loop.max_steps=3", "seed=0")
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["step-0000002", "step-0000003"]
    aside = tmp_path / "run/checkpoints/set_aside"
    assert sorted(path.name for path in aside.iterdir()) == ["step-0000003", "step-0000004"]


def test_what_has_changed_since_a_checkpoint_is_said(write_run, tmp_path):
    config = write_run(max_steps=2)
    train(config)
    train(config, "--resume", "latest", "--override", "loop.max_steps=3", "optimiser.learning_rate=1e-4")
    log = (tmp_path / "run/train.log").read_text()
    assert "changed since step-0000002: optimiser.learning_rate: 0.0006 -> 0.0001" in log
    assert "max_steps:" not in log


def test_what_has_changed_is_used(write_run, tmp_path):
    config = write_run(max_steps=2)
    train(config)
    AcceleratorState._reset_state(reset_partial_state=True)
    changes = ("optimiser.weight_decay=0.25", "optimiser.betas=[0.5, 0.75]", "loop.ema_decay=0.5")
    loop = make_loop(config, Accelerator(cpu=True), *changes)
    loop.resume(find_checkpoint(tmp_path / "run", "latest"))
    group = loop.optimiser.param_groups[0]
    assert (group["weight_decay"], group["betas"], loop.ema.decay) == (0.25, (0.5, 0.75), 0.5)
    assert {int(state["step"]) for state in loop.optimiser.state.values()} == {2}


def test_a_checkpoint_of_other_networks_is_an_error(write_run, tmp_path):
    config = write_run(max_steps=2)
    train(config)
    with pytest.raises(ValueError, match="does not fit.*run.json"):
        train(config, "--resume", "latest", "--override", "settings.unet.time_dim=16", "loop.max_steps=3")


def test_a_checkpoint_of_other_processes_and_samples_is_an_error(write_run, tmp_path):
    config = write_run(max_steps=2)
    train(config)
    facts = tmp_path / "run/checkpoints/step-0000002/run.json"
    facts.write_text(facts.read_text().replace('"num_processes": 1', '"num_processes": 2').replace(": 4,", ": 8,"))
    with pytest.raises(ValueError, match="Expected 2 processes and 8 samples per step.*received 1 and 4"):
        train(config, "--resume", "latest", "--override", "loop.max_steps=3")


def test_a_second_training_is_kept_out_of_the_run_folder(write_run, tmp_path):
    config = write_run(max_steps=1)
    with command.run_folder_held(tmp_path / "run", True), pytest.raises(ValueError, match="another training"):
        train(config)


def test_a_run_killed_after_its_last_checkpoint_has_its_model(write_run, tmp_path, monkeypatch):
    def save_and_end(*arguments):
        checkpoints.save_checkpoint(*arguments)
        raise Killed

    config = write_run(max_steps=2, checkpoint_every=2)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(training_loop, "save_checkpoint", save_and_end)
        train(config)
    train(config, "--resume", "latest")
    assert "after 2 steps" in " ".join((tmp_path / "run/model/README.md").read_text().split())


@pytest.mark.parametrize(
    "words",
    [
        "Error while serializing: I/O error: No space left on device (os error 28)",
        "[enforce fail at inline_container.cc:672] . unexpected pos 33216 vs 33136",
    ],
)
def test_full_disk_is_told_in_one_message_with_a_cure(monkeypatch, capsys, words):
    def fill_the_disk():
        raise RuntimeError(words)  # as the writers of safetensors and of torch do

    monkeypatch.setattr(command, "main", fill_the_disk)
    assert command.run() == 2
    assert "received a full disk" in (told := capsys.readouterr().err) and "--resume latest" in told
    monkeypatch.setattr(command, "main", lambda: [][0])
    with pytest.raises(IndexError):
        command.run()


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_never_was(write_run, tmp_path):
    train(write_run("whole", max_steps=30, checkpoint_every=1))
    arguments = ["--config", str(write_run("killed", max_steps=30, checkpoint_every=1)), "--resume", "latest"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train.commands.training"])
    random_moment = random.Random(0)
    folder, kills = tmp_path / "killed", 0

    def newest() -> str:
        return max((path.name for path in list_checkpoints(folder)), default="")

    while kills < 12 and newest() < "step-0000025":
        process = context.Process(target=command.main, args=(arguments,))
        before = newest()
        process.start()
        while newest() <= before and process.is_alive():
            time.sleep(0.005)
        time.sleep(random_moment.uniform(0, 0.3))
        process.kill()  # SIGKILL
        process.join()
        assert process.exitcode == -9
        kills += 1
    assert kills >= 3
    train(*arguments[1:])
    assert logged_losses(folder)[-1] == logged_losses(tmp_path / "whole")[-1]
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]
    last = "checkpoints/step-0000030"
    for name in (f"{last}/model.safetensors", "model/unet/diffusion_pytorch_model.safetensors"):
        whole, killed = load_file(tmp_path / "whole" / name), load_file(folder / name)
        assert whole.keys() == killed.keys() and all(torch.equal(whole[key], killed[key]) for key in whole)
