"""The stages with the sampler in the loop, on tiny networks with the bundled ones behind the objective."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from diffusionact.generation import load_components
from diffusionact.losses import LossWeights, detail_loss, reenactment_objective
from train import configs
from train.commands import training as command
from train.configs import load_config
from train.data.frames import Frames
from train.stages import STAGES
from train.stages.reenactment import is_reconstruction

CONFIGS = Path(configs.__file__).parent
SETTINGS = {name: stage.Settings for name, stage in STAGES.items()}
TINY_SETTINGS = {
    "num_inference_steps": [2],
    "num_inversion_steps": 2,
    "validation_images": 2,
    "validation_pairs": 2,
    "validation_steps": 2,
    "validation_inversion_steps": 2,
}


def train(config, *arguments: str) -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    command.main(["--config", str(config), *arguments])


@pytest.fixture(scope="module")
def encoder_model(tmp_path_factory, shard_folder):
    """Model folder of a tiny stage 1."""
    folder = tmp_path_factory.mktemp("stages")
    shared = {
        "data": {"folder": str(shard_folder), "sample_size": 16, "validation_every": 4},
        "loop": {"cpu": True, "mixed_precision": "no", "max_steps": 2, "batch_size": 4, "validate_every": 0},
    }
    networks = {
        "unet": {"patch_size": 2, "block_out_channels": [8, 8], "time_dim": 8, "norm_groups": 4},
        "semantic_encoder": {
            "patch_size": 2, "block_out_channels": [8, 8], "semantic_dim": 8, "pool_size": 2, "norm_groups": 4
        },
    }  # fmt: skip
    for stage, settings in (
        ("pretrain_diffae", networks),
        ("pretrain_encoder", {"model_folder": str(folder / "pretrain_diffae/model")}),
    ):
        path = folder / f"{stage}.yaml"
        values = {"stage": stage, "run_folder": str(folder / stage), "settings": settings, **shared}
        path.write_text(yaml.safe_dump(values))
        train(path)
    return folder / "pretrain_encoder/model"


@pytest.fixture
def make_stage(write_run, encoder_model, shard_folder):
    """Build a stage without a loop; keywords go to its settings."""

    def make(name: str = "train_encoder", **settings):
        settings = {**TINY_SETTINGS, "model_folder": str(encoder_model), **settings}
        config = load_config(
            write_run(stage=name, settings=settings), [], {key: s.Settings for key, s in STAGES.items()}
        )
        return STAGES[name](config, Frames(shard_folder, 16, 4), torch.device("cpu"))

    return make


def test_stages_two_and_three_leave_a_model_that_loads(write_run, encoder_model, tmp_path):
    limits = {"max_steps": 2, "validate_every": 2, "batch_size": 2}
    settings = {**TINY_SETTINGS, "model_folder": str(encoder_model)}
    train(write_run("second", stage="train_encoder", settings=settings, **limits))
    settings["model_folder"] = str(tmp_path / "second/model")
    train(write_run("third", stage="finetune_decoder", settings=settings, **limits))
    before, second = load_components(encoder_model), load_components(tmp_path / "second/model")
    third = load_components(tmp_path / "third/model")
    assert second.inversion_unet is second.unet
    assert torch.equal(second.unet.conv_in.weight, before.unet.conv_in.weight)
    assert not torch.equal(
        second.reenactment_encoder.map_projection.weight, before.reenactment_encoder.map_projection.weight
    )
    assert not torch.equal(third.unet.conv_in.weight, before.unet.conv_in.weight)
    assert torch.equal(third.inversion_unet.conv_in.weight, before.unet.conv_in.weight)
    assert torch.equal(third.semantic_encoder.conv_in.weight, before.semantic_encoder.conv_in.weight)
    whole = {"stage": "pretrain_encoder", "settings": {"model_folder": str(tmp_path / "third/model")}}
    train(write_run("again", **whole, max_steps=1, batch_size=2))
    assert torch.equal(load_components(tmp_path / "again/model").unet.conv_in.weight, before.unet.conv_in.weight)
    assert (tmp_path / "third/images/step-0000002.png").is_file()


def test_checkpoints_hold_only_what_training_changes(write_run, encoder_model, tmp_path):
    settings = {**TINY_SETTINGS, "model_folder": str(encoder_model)}
    train(write_run("run", stage="train_encoder", settings=settings, max_steps=1, batch_size=2))
    names = load_file(tmp_path / "run/checkpoints/step-0000001/model.safetensors")
    assert names
    assert all(name.startswith("reenactment_encoder.") for name in names)


def test_a_resumed_third_stage_equals_an_unbroken_one(write_run, encoder_model, tmp_path):
    settings = {**TINY_SETTINGS, "num_inference_steps": [2, 4], "model_folder": str(encoder_model)}
    limits = {"stage": "finetune_decoder", "settings": settings, "batch_size": 2, "checkpoint_every": 2}
    train(write_run("broken", max_steps=2, **limits), "--override", "optimiser.final_fraction=1.0")
    train(write_run("unbroken", max_steps=4, **limits), "--override", "optimiser.final_fraction=1.0")
    train(
        write_run("broken", max_steps=4, **limits), "--override", "optimiser.final_fraction=1.0", "--resume", "latest"
    )
    for component in ("unet", "reenactment_encoder", "inversion_unet"):
        name = f"model/{component}/diffusion_pytorch_model.safetensors"
        unbroken, broken = load_file(tmp_path / "unbroken" / name), load_file(tmp_path / "broken" / name)
        assert all(torch.equal(unbroken[key], broken[key]) for key in unbroken)


def test_half_of_a_batch_is_reconstruction_and_without_split_none(make_stage):
    batch = make_stage().batch(0)
    rebuilt = [torch.equal(source, target) for source, target in zip(batch["source"], batch["target"], strict=True)]
    assert rebuilt[1] and rebuilt[3]
    assert torch.equal(batch["source_map"][1::2], batch["target_map"][1::2])
    pairs = [make_stage(reconstruction_fraction=0.0).batch(index) for index in range(3)]
    assert any(not torch.equal(batch["source"][1::2], batch["target"][1::2]) for batch in pairs)


@pytest.mark.parametrize("fraction, count", [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_split_belongs_to_the_position_in_the_run(fraction, count):
    whole = is_reconstruction(np.arange(8), fraction)
    assert whole.sum() == count
    halves = [is_reconstruction(np.arange(first, first + 4), fraction) for first in (0, 4)]
    assert (np.concatenate(halves) == whole).all()


def test_pairs_are_of_one_person(make_stage):
    stage = make_stage(reconstruction_fraction=0.0)
    for index in range(4):
        sources, targets = stage.pairs.batch(index)
        assert (stage.frames.identity[sources] == stage.frames.identity[targets]).all()


def test_without_pre_training_the_encoder_is_the_semantic_one(make_stage):
    stage = make_stage(pretrained=False)
    assert torch.equal(stage.reenactment_encoder.encoder.conv_in.weight, stage.semantic_encoder.conv_in.weight)
    assert not stage.reenactment_encoder.map_projection.weight.any()


def test_gradients_reach_what_is_trained_checkpointed_or_not(make_stage):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        stage = make_stage("finetune_decoder")
        if checkpointing:
            stage.enable_gradient_checkpointing()
        loss, scalars = stage.objective(**stage.batch(0))
        loss.backward()
        assert set(scalars) == {name for name, weight in vars(LossWeights()).items() if weight}
        assert all(parameter.grad is not None for parameter in stage.objective.parameters())
        assert all(parameter.grad is None for parameter in stage.inversion_unet.parameters())
        gradients.append([parameter.grad for parameter in stage.objective.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed, rtol=1e-4, atol=1e-6)


def plain_recurrence(stage, batch) -> torch.Tensor:
    """The reenacted images by DDIM written out, in both directions."""
    scheduler = stage.scheduler
    with torch.no_grad():
        code = stage.reenactment_encoder(batch["source"], batch["source_map"])
        scheduler.set_timesteps(stage.settings.num_inversion_steps)
        x_t = batch["source"]
        for timestep in scheduler.inversion_timesteps:
            x_t = scheduler.reverse_step(stage.inversion_unet(x_t, timestep, code).sample, timestep, x_t).prev_sample
    code = stage.reenactment_encoder(batch["source"], batch["target_map"])
    scheduler.set_timesteps(batch["num_inference_steps"])
    for timestep in scheduler.timesteps:
        x_t = scheduler.step(stage.unet(x_t, timestep, code).sample, timestep, x_t).prev_sample
    return x_t


def test_loss_and_gradients_are_those_of_a_plain_recurrence(make_stage):
    stage = make_stage("finetune_decoder", weights={"detail": 10.0})
    batch, trained = stage.batch(0), list(stage.objective.parameters())
    loss, _ = stage.objective(**batch)
    gradients = torch.autograd.grad(loss, trained)
    reenacted = plain_recurrence(stage, batch)
    perception, landmarks = stage.objective.networks.perception, batch["landmarks"]
    features = perception(reenacted, landmarks), perception(batch["target"], landmarks)
    value = reenactment_objective(reenacted, batch["target"], *features, LossWeights())
    plain_loss = value.total + 10.0 * detail_loss(reenacted, batch["target"], batch["detail"])
    assert torch.equal(loss, plain_loss)
    for ours, plain in zip(gradients, torch.autograd.grad(plain_loss, trained), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-7)


def test_images_held_on_the_device_make_the_same_batches(make_stage):
    stored = make_stage()
    batch = stored.batch(1)
    held = STAGES["train_encoder"](
        replace(stored.config, data=replace(stored.config.data, on_device=True)), stored.frames, stored.device
    )
    assert set(stored.frames._on_device) == {"image", "landmark_map", "region"}
    for name, value in held.batch(1).items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(batch[name]))


def test_the_decoding_steps_take_turns(make_stage):
    stage = make_stage(num_inference_steps=[2, 4, 5])
    assert [stage.batch(index)["num_inference_steps"] for index in range(4)] == [2, 4, 5, 2]


def test_more_weight_on_details_adds_their_error(make_stage):
    stage = make_stage()
    batch = stage.batch(0)
    plain, _ = stage.objective(**batch)
    stage.objective.settings = replace(stage.objective.settings, weights=LossWeights(detail=3.0))
    loss, scalars = stage.objective(**batch)
    assert scalars["detail"] > 0
    assert loss == plain + 3.0 * scalars["detail"]


def test_missing_networks_of_the_paper_are_named(make_stage, tmp_path):
    with pytest.raises(FileNotFoundError, match="perceptual"):
        make_stage(perception={"backend": "paper", "folder": str(tmp_path), "emoca_folder": str(tmp_path)})


@pytest.mark.parametrize("wrong", [{"num_inference_steps": []}, {"reconstruction_fraction": 1.5}])
def test_settings_that_mean_nothing_are_an_error(make_stage, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make_stage(**wrong)


def test_an_unknown_backend_is_an_error(make_stage):
    with pytest.raises(ValueError, match="Expected settings.perception.backend to be one of open, paper"):
        make_stage(perception={"backend": "closed"})


@pytest.mark.parametrize(
    "old, new",
    [({"detail_weight": 3.0}, "settings.weights.detail"), ({"perception": {"lane": "open"}}, "perception.backend")],
)
def test_a_renamed_key_is_an_error_that_says_the_new_one(make_stage, old, new):
    with pytest.raises(ValueError, match=f"Expected .*{new}, received .*its old name"):
        make_stage(**old)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_config_in_the_repository_is_read(path):
    config = load_config(path, [], SETTINGS)
    assert config.stage == path.stem


def test_the_papers_configs_hold_the_papers_numbers():
    first, second, third = (
        load_config(CONFIGS / "paper" / f"{name}.yaml", [], SETTINGS)
        for name in ("pretrain_encoder", "train_encoder", "finetune_decoder")
    )
    assert [config.optimiser.learning_rate for config in (first, second, third)] == [1e-3, 1e-4, 1e-5]
    assert [config.loop.batch_size for config in (first, second, third)] == [32, 4, 4]
    for config in (second, third):
        assert config.settings.num_inference_steps == (8,)
        assert config.settings.reconstruction_fraction == 0.5
        assert config.settings.weights == LossWeights()
        assert config.settings.weights.detail == 0
