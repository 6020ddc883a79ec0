"""Training of the perception network: truth that follows the augmentation, losses, figures, and the command."""

import json
import sys

import numpy as np
import pytest
import torch
from conftest import EXPRESSION_NAMES, write_shards
from train.portrait.accuracy import correlation, verification_auc
from train.portrait.batches import PortraitFrames, _move, augment
from train.portrait.calibration import LAYER_DISTANCE, STYLE_DISTANCE, calibrate
from train.portrait.objective import WEIGHTS, PortraitObjective, contrastive_loss

from diffusionact.perception.open_perception import read_portrait_net
from diffusionact.perception.portrait_net import PortraitNet
from train.data.frames import Frames
from train.portrait import __main__ as command
from train.portrait.training import read_at_truth

SIZE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portraits")
    write_shards(folder, size=SIZE)
    return folder


@pytest.fixture(scope="module")
def frames(folder) -> PortraitFrames:
    frames = Frames(folder, SIZE, 4)
    return PortraitFrames(frames, frames.training)


def test_pairs_are_two_frames_of_a_person_side_by_side(frames):
    batch = next(frames.pairs(3, np.random.default_rng(0)))
    assert batch.images.shape == (6, 3, SIZE, SIZE)
    assert torch.equal(batch.identity[0::2], batch.identity[1::2])
    assert len(batch.identity.unique()) == 3
    assert not torch.equal(batch.landmarks[0::2], batch.landmarks[1::2])


def test_more_people_than_there_are_is_said_in_words(frames):
    with pytest.raises(ValueError, match="Expected 999 people with two frames each"):
        next(frames.pairs(999, np.random.default_rng(0)))


def test_landmarks_move_with_their_pixels(frames):
    """A lit square drawn at a landmark is found at the moved landmark."""
    batch = frames.batch(np.arange(12))
    lit = torch.full_like(batch.images, -1.0)
    points = torch.full_like(batch.landmarks, 15.5)
    lit[:, :, 13:19, 13:19] = 1.0
    moved = _move(type(batch)(**{**vars(batch), "images": lit, "landmarks": points}), torch.Generator().manual_seed(0))
    light = moved.images[:, 0] + 1
    cells = torch.arange(SIZE).float()
    x = (light.sum(1) * cells).sum(1) / light.sum((1, 2))
    y = (light.sum(2) * cells).sum(1) / light.sum((1, 2))
    torch.testing.assert_close(moved.landmarks[:, 0], torch.stack([x, y], dim=-1), atol=0.1, rtol=0)
    assert (moved.landmarks - 15.5).abs().max() > 0.5


def test_augmentation_keeps_ranges_and_is_repeatable(frames):
    batch = frames.batch(np.arange(6))
    first, second = (augment(batch, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert first.images.abs().max() <= 1
    torch.testing.assert_close(first.regions.sum(1), torch.ones(6, SIZE, SIZE))
    assert not torch.equal(first.images, batch.images)


def test_contrastive_loss_is_low_only_for_people_told_apart():
    identity = torch.tensor([0, 0, 1, 1])
    apart = torch.eye(2).repeat_interleave(2, dim=0)
    assert contrastive_loss(apart, identity) < 1e-3
    assert contrastive_loss(apart, torch.tensor([0, 1, 0, 1])) > 5
    assert contrastive_loss(apart[:1].expand(4, 2), identity) == pytest.approx(np.log(3), abs=1e-4)


def test_the_objective_falls_when_the_network_is_trained_on_one_batch(frames):
    torch.manual_seed(0)
    network = PortraitNet(sample_size=SIZE, widths=(8, 8, 16, 16, 16), face_width=8, eye_width=8).train()
    objective = PortraitObjective(frames.targets, [1, 2])
    batch = next(frames.pairs(4, np.random.default_rng(0)))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        terms = objective.terms(*read_at_truth(network, batch, torch.Generator().manual_seed(0)), batch)
        assert terms.keys() == WEIGHTS.keys()
        losses.append(objective.total(terms))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_closed_eyes_teach_no_gaze(frames):
    objective = PortraitObjective(frames.targets, [1, 2])
    batch = frames.batch(np.arange(4))
    batch.expression[:, 1:3] = 1.0
    network = PortraitNet(sample_size=SIZE).eval()
    reading, first_landmarks = read_at_truth(network, batch, torch.Generator().manual_seed(0))
    assert objective.terms(reading, first_landmarks, batch)["gaze"] == 0


def test_auc_and_correlation_of_hand_made_values():
    identity = torch.tensor([0, 0, 1, 1])
    similarity = torch.tensor([[1.0, 0.9, 0.1, 0.2], [0, 1, 0.3, 0.95], [0, 0, 1, 0.8], [0, 0, 0, 1]])
    # Pairs of one person: 0.9 and 0.8; of two: 0.1, 0.2, 0.3, 0.95; six of eight comparisons are right.
    assert verification_auc(similarity, identity) == pytest.approx(6 / 8)
    values = torch.tensor([1.0, 2.0, 4.0])
    assert correlation(values, 3 - 2 * values) == pytest.approx(-1)


def test_calibration_brings_features_to_their_unit(frames):
    torch.manual_seed(0)
    network = PortraitNet(sample_size=SIZE).requires_grad_(False).eval()
    images = next(frames.pairs(6, np.random.default_rng(0))).images
    calibrate(network, images[0::2], images[1::2])
    first, second = network(images[0::2]).maps, network(images[1::2]).maps
    for one, other, scale in zip(first, second, network.map_scales, strict=True):
        assert ((one - other) * scale).square().mean() == pytest.approx(LAYER_DISTANCE, rel=1e-3)
    assert network.style_scales.isfinite().all() and STYLE_DISTANCE > 0


def run_command(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train.portrait", *map(str, arguments)])
    command.main()


@pytest.mark.slow
def test_the_command_trains_measures_and_replaces_its_output(folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "nets" / "loss"
    options = ("--data", folder, "--output", output, "--sample_size", SIZE, "--steps", 2, "--people", 2)
    monkeypatch.setattr(command, "VALIDATION_EVERY", 4)
    run_command(monkeypatch, *options, "--keep_every", 1)
    first = json.loads((output / "training.json").read_text())
    assert first["images"] == 8
    assert "landmarks, px" in capsys.readouterr().out
    run_command(monkeypatch, *options, "--seed", 1, "--start_from", output)
    assert json.loads((output / "training.json").read_text())["seed"] == 1
    assert sorted(path.name for path in output.parent.iterdir()) == ["loss"]
    assert read_portrait_net(output)(torch.zeros(1, 3, SIZE, SIZE)).expression.shape == (1, len(EXPRESSION_NAMES))
    run_command(monkeypatch, *options, "--measure_only")
    assert "verification AUC" in capsys.readouterr().out


def test_missing_data_end_with_a_message(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="Error: Expected shards"):
        run_command(monkeypatch, "--data", tmp_path, "--output", tmp_path / "net")
