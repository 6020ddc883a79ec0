"""The training loop: resuming, averaging, stopping, exporting."""

import importlib.util
import math
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from safetensors import safe_open
from safetensors.torch import load_file

from diffusionact.generation import load_components
from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler
from train.commands import training as command
from train.configs import load_config
from train.data.frames import Frames
from train.loop import NonFiniteLossError, TrainingLoop, learning_rate_factor
from train.loop.checkpoints import list_checkpoints
from train.stages import STAGES


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


def test_both_stages_train_validate_and_export_what_models_load(write_run, tmp_path):
    train(write_run("diffae", max_steps=2, validate_every=2, accumulation_steps=2, mixed_precision="bf16"))
    settings = {"model_folder": str(tmp_path / "diffae/model"), "validation_images": 2, "validation_steps": 2}
    train(write_run("encoder", stage="pretrain_encoder", settings=settings, max_steps=2, validate_every=2))
    folder = tmp_path / "encoder/model"
    UNet.from_pretrained(folder / "unet")
    encoder = SemanticEncoder.from_pretrained(folder / "semantic_encoder")
    reenactment_encoder = ReenactmentEncoder.from_pretrained(folder / "reenactment_encoder")
    assert DDIMScheduler.from_pretrained(folder / "scheduler").config.prediction_type == "v_prediction"
    assert reenactment_encoder.map_projection.weight.abs().sum() > 0
    assert not torch.equal(reenactment_encoder.encoder.conv_in.weight, encoder.conv_in.weight)
    assert load_components(folder).config.landmark_frame == "aligned"
    assert (tmp_path / "encoder/images/step-0000002.png").is_file()


def test_a_loss_that_is_not_finite_stops_before_storing_anything(write_run, tmp_path):
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


def make_loop(config_path, accelerator: Accelerator, *overrides: str) -> TrainingLoop:
    """A loop as the command builds it, over an accelerator of the test's own."""
    config = load_config(config_path, overrides, {name: stage.Settings for name, stage in STAGES.items()})
    Path(config.run_folder).mkdir(exist_ok=True)
    set_seed(0)
    frames = Frames(config.data.folder, config.data.sample_size, config.data.validation_every)
    return TrainingLoop(config, STAGES[config.stage](config, frames, accelerator.device), accelerator)


@pytest.fixture
def half_precision():
    """Accelerate's fp16 path on a CPU, which it offers on GPUs only: float16 autocast, and a scaler far too large."""
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision="fp16", cpu=True)
    accelerator.native_amp = True
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30)
    return accelerator


def test_fp16_steps_that_overflow_are_repeated_at_a_smaller_scale(write_run, half_precision):
    loop = make_loop(write_run(checkpoint_every=4), half_precision)
    loop.run()
    assert half_precision.scaler.get_scale() < 2.0**30
    assert (loop.progress.step, loop.ema.optimization_step) == (4, 4)
    steps = {int(state["step"]) for state in loop.optimiser.state.values()}
    assert steps == {4}
    assert all(parameter.isfinite().all() for parameter in loop.parameters)


def test_fp16_steps_that_never_fit_end_with_the_batch_saved(write_run, half_precision, tmp_path):
    half_precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120, backoff_factor=0.99)
    with pytest.raises(NonFiniteLossError, match="gradient_norm"):
        make_loop(write_run(), half_precision).run()
    assert (tmp_path / "run/bad_batch/step-0000000-process-0.safetensors").is_file()


def test_the_batch_of_a_loss_that_is_not_finite_is_saved(write_run, tmp_path):
    with pytest.raises(NonFiniteLossError, match="step 1 of process 0.*bad_batch"):
        train(write_run(accumulation_steps=2), "--override", "optimiser.learning_rate=1e30")
    path = tmp_path / "run/bad_batch/step-0000001-process-0.safetensors"
    with safe_open(path, "pt") as file:
        facts, names = file.metadata(), set(file.keys())
        saved = file.get_tensor("1.image")
    assert (facts["step"], facts["process"], facts["stage"]) == ("1", "0", "pretrain_diffae")
    assert not math.isfinite(float(facts["0.loss"])) and "gradient_norm" in facts
    assert {"0.image", "0.noise", "1.region", "1.target"} <= names
    AcceleratorState._reset_state(reset_partial_state=True)
    loop = make_loop(write_run("again"), Accelerator(cpu=True))
    torch.testing.assert_close(saved, loop.stage.batch(3)["image"].contiguous())


def test_batches_prepared_ahead_change_nothing(write_run, tmp_path):
    train(write_run("plain"))
    train(write_run("ahead"), "--override", "data.workers=2")
    assert logged_losses(tmp_path / "ahead") == logged_losses(tmp_path / "plain")


def test_gradient_checkpointing_changes_no_gradient(write_run, tmp_path):
    train(write_run("plain"))
    train(write_run("checkpointed", gradient_checkpointing=True))
    assert logged_losses(tmp_path / "checkpointed") == logged_losses(tmp_path / "plain")


@pytest.mark.slow
def test_a_traced_objective_learns_the_same_as_a_plain_one(write_run, tmp_path, monkeypatch):
    # What is traced runs as it is: turning it into machine code takes minutes on a CPU.
    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", lambda graph, *_, **__: graph)
    train(write_run("plain", max_steps=2), "--override", "optimiser.schedule=constant")
    config = write_run("compiled", max_steps=2)
    train(config, "--override", "loop.compile=true", "optimiser.schedule=constant")
    compiled, plain = ([float(loss) for loss in logged_losses(tmp_path / name)] for name in ("compiled", "plain"))
    assert compiled == pytest.approx(plain, rel=1e-3)
    train(config, "--resume", "latest", "--override", "loop.max_steps=3")


def test_eight_bit_adam_without_its_package_is_an_error(write_run):
    if importlib.util.find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(ValueError, match="pip install bitsandbytes"):
        train(write_run(), "--override", "optimiser.name=adamw8bit")


def test_learning_rate_warms_up_and_falls_to_the_final_fraction():
    assert learning_rate_factor(0, 0.0, 10, 0.1) == pytest.approx(0.1)
    assert learning_rate_factor(50, 0.5, 10, 0.1) == pytest.approx(0.55)
    assert learning_rate_factor(99, 1.0, 10, 0.1) == pytest.approx(0.1)


def test_learning_rate_falls_in_a_line_or_stays():
    assert learning_rate_factor(50, 0.75, 10, 0.2, "linear") == pytest.approx(0.4)
    assert learning_rate_factor(4, 0.1, 10, 0.2, "constant") == pytest.approx(0.5)
    assert learning_rate_factor(50, 0.9, 10, 0.2, "constant") == 1.0
