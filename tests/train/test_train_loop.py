"""The training loop: resuming, averaging, stopping, exporting."""

import shutil
import threading
import time

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler
from diffusionact.weights import load_components
from train import command
from train.checkpoints import find_checkpoint, list_checkpoints
from train.loop import NonFiniteLossError, learning_rate_factor


def train(config, *arguments: str) -> None:
    # Accelerate keeps precision and device for the whole process; every run chooses its own.
    AcceleratorState._reset_state(reset_partial_state=True)
    command.main(["--config", str(config), *arguments])


def logged_losses(run_folder) -> list[str]:
    lines = (run_folder / "train.log").read_text().splitlines()
    return [line.split("loss ")[1].split()[0] for line in lines if " loss " in line]


def test_a_resumed_run_goes_on_as_if_there_had_been_no_break(write_run, tmp_path):
    train(write_run("whole"))
    config = write_run("broken")
    (tmp_path / "broken" / "checkpoints").mkdir(parents=True)
    shutil.copytree(tmp_path / "whole/checkpoints/step-0000002", tmp_path / "broken/checkpoints/step-0000002")
    train(config, "--resume", "latest")
    assert logged_losses(tmp_path / "broken") == logged_losses(tmp_path / "whole")[2:]
    for component in ("unet", "semantic_encoder"):
        name = f"model/{component}/diffusion_pytorch_model.safetensors"
        whole, broken = load_file(tmp_path / "whole" / name), load_file(tmp_path / "broken" / name)
        assert all(torch.equal(whole[key], broken[key]) for key in whole)


def test_both_stages_train_validate_and_export_what_the_models_load(write_run, tmp_path):
    train(write_run("diffae", max_steps=2, validate_every=2, accumulation_steps=2, mixed_precision="bf16"))
    settings = {"model_folder": str(tmp_path / "diffae/model"), "validation_pictures": 2, "validation_steps": 2}
    train(write_run("encoder", stage="pretrain_encoder", settings=settings, max_steps=2, validate_every=2))
    folder = tmp_path / "encoder/model"
    UNet.from_pretrained(folder / "unet")
    encoder = SemanticEncoder.from_pretrained(folder / "semantic_encoder")
    reenactment_encoder = ReenactmentEncoder.from_pretrained(folder / "reenactment_encoder")
    assert DDIMScheduler.from_pretrained(folder / "scheduler").config.prediction_type == "v_prediction"
    assert reenactment_encoder.map_projection.weight.abs().sum() > 0
    assert not torch.equal(reenactment_encoder.encoder.conv_in.weight, encoder.conv_in.weight)
    assert load_components(folder).config.landmark_frame == "aligned"
    assert (tmp_path / "encoder/pictures/step-0000002.png").is_file()


def test_a_loss_that_is_not_finite_stops_before_anything_is_stored(write_run, tmp_path):
    config = write_run(checkpoint_every=1)
    with pytest.raises(NonFiniteLossError, match="in step"):
        train(config, "--override", "optimiser.learning_rate=1e30")
    for checkpoint in list_checkpoints(tmp_path / "run"):
        weights = load_file(checkpoint / "model.safetensors")
        assert all(weight.isfinite().all() for weight in weights.values())


def test_only_the_newest_checkpoints_are_kept(write_run, tmp_path):
    train(write_run(checkpoint_every=1, checkpoints_kept=2))
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["step-0000003", "step-0000004"]
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


def test_a_stop_file_ends_training_in_good_order(write_run, tmp_path):
    def ask_to_stop() -> None:
        while not list_checkpoints(tmp_path / "run"):
            time.sleep(0.01)
        (tmp_path / "run" / "STOP").touch()

    threading.Thread(target=ask_to_stop, daemon=True).start()
    train(write_run(max_steps=100_000, checkpoint_every=10))
    last = list_checkpoints(tmp_path / "run")[-1]
    assert last.name != "step-0100000"
    assert (tmp_path / "run/model/unet").is_dir()


def test_minutes_end_training_too(write_run, tmp_path):
    train(write_run(max_steps=None, max_minutes=1e-4))
    assert (tmp_path / "run/model/unet").is_dir()


def test_a_run_folder_in_use_is_not_started_anew(write_run):
    config = write_run(max_steps=1)
    train(config)
    with pytest.raises(ValueError, match="--resume latest"):
        train(config)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="latest"):
        find_checkpoint(tmp_path, "latest")


def test_learning_rate_warms_up_and_falls_to_the_final_fraction():
    assert learning_rate_factor(0, 0.0, 10, 0.1) == pytest.approx(0.1)
    assert learning_rate_factor(50, 0.5, 10, 0.1) == pytest.approx(0.55)
    assert learning_rate_factor(99, 1.0, 10, 0.1) == pytest.approx(0.1)
