"""The stages of a generator and its inversion encoder: gradients, augmentation, resuming, and the chain to A, tiny."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from diffusionact import DiffusionActPipeline
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.generation.face_parameters import jaw_alone, parameters_of
from diffusionact.models import StyleGAN2
from diffusionact.perception import load_portrait_net
from train.commands import training as command
from train.stages.directions import turning
from train.stages.directions.portrait_measure import PortraitMeasure
from train.stages.generator.augmentation import NUM_DRAWS, augment
from train.stages.generator.discriminator import Discriminator
from train.stages.generator.objective import GeneratorObjective, gradient_penalty, mixed_codes

CHANNELS = (8, 8, 6)
TINY_GENERATOR = {"channels": list(CHANNELS), "style_dim": 8, "mapping_layers": 2}


def make_objective(ramp_images=0):
    torch.manual_seed(0)
    generator = StyleGAN2(channels=CHANNELS, style_dim=8, mapping_layers=2)
    return GeneratorObjective(generator, Discriminator(CHANNELS), 0.5, 2, 0.6, ramp_images)


def make_batch(penalise=False):
    random = torch.Generator().manual_seed(1)
    return {
        "real": torch.rand(4, 3, 16, 16, generator=random) * 2 - 1,
        "z": torch.randn(4, 2, 8, generator=random),
        "crossover": torch.tensor([6, 1, 3, 6]),
        "draws": torch.rand(2, 4, NUM_DRAWS, generator=random),
        "penalise": penalise,
    }


def gradients(module):
    return [parameter.grad.clone() for parameter in module.parameters()]


def test_each_network_gets_the_gradient_of_its_own_objective():
    objective, batch = make_objective(), make_batch(penalise=True)
    objective(**batch)[0].backward()
    both = gradients(objective.generator), gradients(objective.discriminator)
    generator, discriminator, real = objective.generator, objective.discriminator, batch["real"]
    objective.zero_grad()
    drawn = generator(mixed_codes(generator, batch["z"], batch["crossover"]))
    F.softplus(-discriminator(drawn)).mean().backward()
    of_generator = gradients(generator)
    objective.zero_grad()
    told_apart = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(drawn.detach())).mean()
    (told_apart + 0.5 * 0.5 * 2 * gradient_penalty(discriminator, real)).backward()
    for received, expected in zip(both, (of_generator, gradients(discriminator)), strict=True):
        torch.testing.assert_close(received, expected, atol=1e-5, rtol=1e-4)


def test_the_penalty_is_the_squared_slope_of_the_scores():
    discriminator = Discriminator(CHANNELS).double()
    images = torch.rand(1, 3, 16, 16, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    slopes = torch.autograd.functional.jacobian(lambda x: discriminator(x).sum(), images)
    penalty = gradient_penalty(discriminator, images)
    torch.testing.assert_close(penalty, slopes.square().sum())
    # Its own gradient, against a difference of two penalties.
    (slope,) = torch.autograd.grad(penalty, discriminator.from_rgb.weight)
    step, row = 1e-6, (0, 1, 0, 0)
    with torch.no_grad():
        discriminator.from_rgb.weight[row] += step
    change = (gradient_penalty(discriminator, images) - penalty).item() / step
    assert change == pytest.approx(slope[row].item(), rel=1e-3)


def test_without_probability_augmentation_changes_nothing():
    batch = make_batch()
    images, draws = batch["real"], batch["draws"][0]
    assert torch.equal(augment(images, draws, torch.tensor(0.0)), images)
    changed = augment(images, draws, torch.tensor(1.0))
    assert changed.shape == images.shape and (changed != images).flatten(1).any(1).all()


def test_an_image_is_mirrored_where_nothing_else_happens():
    images = make_batch()["real"]
    draws = torch.full((4, NUM_DRAWS), 0.5)
    draws[:2, 0] = 0.0
    mirrored = augment(images, draws, torch.tensor(0.1))
    torch.testing.assert_close(mirrored[:2], images[:2].flip(3), atol=1e-5, rtol=0)
    assert torch.equal(mirrored[2:], images[2:])


def test_more_is_augmented_while_the_real_images_are_known():
    objective, batch = make_objective(ramp_images=40), make_batch()
    with torch.no_grad():
        objective.discriminator.score.bias.fill_(100.0)
        objective(**batch)
    assert objective.probability.item() == pytest.approx(0.1)
    with torch.no_grad():
        objective.discriminator.score.bias.fill_(-100.0)
        objective(**batch)
    assert objective.probability.item() == 0.0
    objective.eval()
    with torch.no_grad():
        objective.discriminator.score.bias.fill_(100.0)
        objective(**batch)
    assert objective.probability.item() == 0.0


def test_rows_of_two_codes_are_mixed():
    generator, batch = make_objective().generator, make_batch()
    w_plus = mixed_codes(generator, batch["z"], batch["crossover"])
    first, second = (generator.mapping(batch["z"][:, which]) for which in (0, 1))
    torch.testing.assert_close(w_plus[0], first[0].expand(6, -1))
    torch.testing.assert_close(w_plus[2, :3], first[2].expand(3, -1))
    torch.testing.assert_close(w_plus[2, 3:], second[2].expand(3, -1))


def train(config, *arguments):
    AcceleratorState._reset_state(reset_partial_state=True)
    command.main(["--config", str(config), *arguments])


def test_a_resumed_run_trains_both_networks_as_one(write_run, tmp_path):
    settings = {"generator": TINY_GENERATOR, "discriminator_channels": list(CHANNELS), "r1_every": 2}
    settings |= {"ramp_images": 100, "real_sign": -2.0, "validation_images": 2}
    constant = ("--override", "optimiser.schedule=constant")
    train(write_run("whole", "train_generator", settings, validate_every=4), *constant)
    halves = write_run("halves", "train_generator", settings, max_steps=2)
    train(halves, *constant)
    train(halves, "--resume", "latest", *constant, "loop.max_steps=4")
    states = [load_file(tmp_path / name / "checkpoints/step-0000004/model.safetensors") for name in ("whole", "halves")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items() if "mean_latent" not in name)
    assert states[0]["probability"].item() == pytest.approx(16 / 100)
    assert list((tmp_path / "whole/images").glob("*.png"))
    generator = StyleGAN2.from_pretrained(tmp_path / "whole/model/generator")
    assert generator.mean_latent.any()


@pytest.fixture
def large_run(tmp_path, large_shard_folder):
    """Write the config of a run of two steps at 32 px."""

    def write(name, stage, settings):
        values = {
            "stage": stage,
            "run_folder": str(tmp_path / name),
            "data": {"folder": str(large_shard_folder), "sample_size": 32, "validation_every": 4},
            "loop": {"cpu": True, "mixed_precision": "no", "max_steps": 2, "batch_size": 4, "validate_every": 2}
            | {"checkpoint_every": 2, "trackers": []},
            "settings": {"validation_images": 2, **settings},
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.mark.slow
def test_generator_encoder_and_directions_become_a_model(large_run, large_shard_folder, tmp_path, monkeypatch, capsys):
    generator = TINY_GENERATOR | {"channels": [*CHANNELS, 4]}
    train(large_run("g", "train_generator", {"generator": generator, "discriminator_channels": [*CHANNELS, 4]}))
    encoder = {"generator_folder": str(tmp_path / "g/model"), "width": 4, "direction_rows": 6}
    train(large_run("e", "train_inversion_encoder", encoder))
    without = DiffusionActPipeline.from_pretrained(tmp_path / "e/model")
    assert not without.directions(torch.ones(1, 15)).any()
    directions = {"model_folder": str(tmp_path / "e/model"), "measure": "portrait", "phase": "real_synthetic"}
    train(large_run("a", "train_directions", directions))
    pipeline = DiffusionActPipeline.from_pretrained(tmp_path / "a/model")
    assert pipeline.directions(torch.ones(1, 15)).shape == (1, 6, 8)
    assert pipeline.generator(pipeline.inversion_encoder(torch.zeros(1, 3, 32, 32))).shape == (1, 3, 32, 32)
    same = [each.inversion_encoder.state_dict() for each in (without, pipeline)]
    assert all(torch.equal(same[0][name], value) for name, value in same[1].items())
    options = [str(tmp_path / "a/model"), "--data", str(large_shard_folder), "--validation-every", "4"]
    monkeypatch.setattr(sys, "argv", ["turning", *options, "--sheet", str(tmp_path / "sheet.png"), "--rows", "2"])
    capsys.readouterr()
    turning.main()
    figures = json.loads(capsys.readouterr().out)
    assert figures["pairs"] == 6 and figures.keys() >= {"yaw", "pitch", "roll"}
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.slow
def test_a_joint_training_moves_the_generator_too(large_run, tmp_path):
    generator = TINY_GENERATOR | {"channels": [*CHANNELS, 4]}
    train(large_run("g", "train_generator", {"generator": generator, "discriminator_channels": [*CHANNELS, 4]}))
    encoder = {"generator_folder": str(tmp_path / "g/model"), "width": 4, "weights": {"perceptual": 0.0}}
    for joint in (False, True):
        train(large_run(f"joint_{joint}", "train_inversion_encoder", {**encoder, "joint": joint}))
    states = [
        StyleGAN2.from_pretrained(tmp_path / name / "model/generator").state_dict()
        for name in ("g", "joint_False", "joint_True")
    ]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
    same = {name for name, value in states[2].items() if torch.equal(states[0][name], value)}
    assert {name for name in states[0] if name.startswith("mapping.") or name.endswith(".noise")} <= same
    assert "layers.0.convolution.weight" not in same and "mean_latent" in same


def test_lines_through_turns_are_measured():
    driver = np.array([-20.0, 0.0, 10.0, 30.0])
    figures = turning.figures_of(driver, 0.5 * driver + 1.0)
    assert figures["correlation"] == pytest.approx(1.0) and figures["slope"] == pytest.approx(0.5)
    assert figures["mean_difference_deg"] == pytest.approx(np.abs(0.5 * driver - 1.0).mean())


def test_a_portraits_wanted_face_has_the_wanted_parameters():
    measure = PortraitMeasure(load_portrait_net("loss"), OpenFaceModel.from_bundled())
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    own = measure.coefficients(images, measure.find(images)[0])
    own = replace(own, expression=torch.full_like(own.expression, 0.2))
    change = torch.zeros(3, 15)
    change[0, :3] = torch.tensor([2.0, -1.0, 0.5])
    change[1, 3] = 1.5
    wanted = measure.wanted(own, own, torch.full((3,), -1), change, True)
    reached = parameters_of(wanted, jaw_alone()) - parameters_of(own, jaw_alone())
    torch.testing.assert_close(reached, change, atol=1e-3, rtol=0)
    assert measure.points(wanted).landmarks.shape == (3, 68, 2)
