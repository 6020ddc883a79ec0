"""The stage that distils the decoder, on tiny networks."""

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from tiny_model import make_tiny_model

from diffusionact.generation import DiffusionEngine, Sampling, load_components
from train.commands import training as command
from train.configs import load_config
from train.data.frames import Frames
from train.stages import STAGES


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("whole") / "model", sample_size=16, fine_tuned=True)


@pytest.fixture
def settings(model_folder):
    steps = {"teacher_steps": 4, "num_inversion_steps": 2}
    return {"model_folder": str(model_folder), **steps, "validation_images": 2, "validation_pairs": 2}


@pytest.fixture
def make_stage(write_run, settings, shard_folder):
    def make(**changes):
        path = write_run(stage="distil_decoder", settings=settings | changes)
        config = load_config(path, [], {name: stage.Settings for name, stage in STAGES.items()})
        return STAGES["distil_decoder"](config, Frames(shard_folder, 16, 4), torch.device("cpu"))

    return make


def test_a_lesson_is_what_the_engine_draws_in_many_steps(make_stage, model_folder):
    stage = make_stage()
    engine, lesson = DiffusionEngine(load_components(model_folder)), stage.batch(0)
    sources, targets = stage.pairs.batch(0)
    source = stage.images("image", sources)
    code = engine.reenactment_encoder(source, stage.images("landmark_map", targets))
    own_code = engine.reenactment_encoder(source, stage.images("landmark_map", sources))
    torch.testing.assert_close(lesson["taught"], engine.sample(engine.invert(source, own_code, 2), code, 4, "ddim"))


def test_the_student_starts_as_the_teacher_and_comes_nearer(make_stage):
    stage = make_stage(kept_batches=1)
    _, figures = stage.validate()
    assert figures["psnr_student"] == figures["psnr_untrained"]
    optimiser, losses = torch.optim.Adam(stage.objective.parameters(), 1e-3), []
    for index in range(4):
        loss, _ = stage.objective(**stage.batch(index))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[3] < losses[0]
    assert stage.batch(7) is stage.batch(0), "kept batches are used in turn"


def test_a_negative_number_of_kept_batches_is_rejected(make_stage):
    with pytest.raises(ValueError, match="kept_batches of at least 0, received -1"):
        make_stage(kept_batches=-1)


def test_gradient_checkpointing_changes_no_gradient(make_stage):
    gradients = []
    for checkpointing in (False, True):
        stage = make_stage()
        if checkpointing:
            stage.enable_gradient_checkpointing()
        loss, _ = stage.objective(**stage.batch(0))
        gradients.append(torch.autograd.grad(loss, list(stage.objective.parameters())))
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed, rtol=1e-4, atol=1e-7)


def test_the_model_keeps_its_decoder_and_gets_one_more_with_a_preset(write_run, settings, model_folder, tmp_path):
    AcceleratorState._reset_state(reset_partial_state=True)
    limits = {"max_steps": 2, "batch_size": 2, "validate_every": 2}
    run = write_run("run", stage="distil_decoder", settings=settings, **limits)
    command.main(["--config", str(run)])
    before, after = load_components(model_folder), load_components(tmp_path / "run/model")
    assert after.config.presets == {**before.config.presets, "fast": Sampling(2, "distilled")}
    for name in ("unet", "inversion_unet"):
        old, new = getattr(before, name), getattr(after, name)
        assert all(torch.equal(value, new.state_dict()[key]) for key, value in old.state_dict().items())
    assert not torch.equal(after.distilled_unet.conv_in.weight, before.unet.conv_in.weight)
    checkpoint = load_file(tmp_path / "run/checkpoints/step-0000002/model.safetensors")
    assert all(name.startswith("student.") for name in checkpoint)
    assert (tmp_path / "run/images/step-0000002.png").is_file()
