"""Stage `train_portrait_net`: truth that follows the augmentation, losses, figures, and exact resume."""

import multiprocessing
import shutil
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_train_loop import logged_losses, train
from tiny_shards import EXPRESSION_NAMES, write_shards

from diffusionact.perception.open_perception import read_portrait_net
from diffusionact.perception.portrait_net import PortraitNet
from train.commands import training as command
from train.configs import load_config
from train.data.frames import Frames
from train.loop.checkpoints import list_checkpoints
from train.stages import STAGES
from train.stages.portrait_net.accuracy import correlation, verification_auc
from train.stages.portrait_net.accuracy import main as measure_command
from train.stages.portrait_net.augmentation import _move, augment, displace
from train.stages.portrait_net.batches import PeopleOrder, PortraitFrames
from train.stages.portrait_net.calibration import LAYER_DISTANCE, STYLE_DISTANCE, calibrate
from train.stages.portrait_net.objective import WEIGHTS, PortraitObjective, contrastive_loss

SIZE = 32
TINY = {"widths": [8, 8, 16, 16, 16], "face_width": 8, "eye_width": 8, "hidden": 16}


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
    batch = frames.batch(PeopleOrder(frames, 3, seed=0).rows(0))
    assert batch.images.shape == (6, 3, SIZE, SIZE)
    assert torch.equal(batch.identity[0::2], batch.identity[1::2])
    assert len(batch.identity.unique()) == 3
    assert not torch.equal(batch.landmarks[0::2], batch.landmarks[1::2])


def test_an_epoch_shows_every_person_once_and_each_batch_is_fixed(frames):
    order = PeopleOrder(frames, 2, seed=0)
    epochs = [[order.rows(number) for number in range(3 * epoch, 3 * epoch + 3)] for epoch in (0, 1)]
    people = [np.sort(frames.frames.identity[np.concatenate(rows)[::2]]).tolist() for rows in epochs]
    assert people[0] == people[1] == sorted(set(people[0])) and len(people[0]) == 6
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))
    assert np.array_equal(PeopleOrder(frames, 2, seed=0).rows(4), epochs[1][1])


def test_more_people_than_there_are_is_an_error(frames):
    with pytest.raises(ValueError, match="Expected 999 people with two frames each"):
        PeopleOrder(frames, 999, seed=0)


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


def test_the_objective_falls_in_training_on_one_batch(frames):
    torch.manual_seed(0)
    network = PortraitNet(sample_size=SIZE, widths=(8, 8, 16, 16, 16), face_width=8, eye_width=8).train()
    objective = PortraitObjective(network, frames.targets, [1, 2])
    batch = frames.pairs(4, np.random.default_rng(0))
    entries = vars(batch) | {"crop_landmarks": displace(batch.landmarks, torch.Generator().manual_seed(0))}
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss, terms = objective(**entries)
        assert terms.keys() == WEIGHTS.keys()
        losses.append(loss)
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_closed_eyes_teach_no_gaze(frames):
    objective = PortraitObjective(PortraitNet(sample_size=SIZE).eval(), frames.targets, [1, 2])
    batch = frames.batch(np.arange(4))
    batch.expression[:, 1:3] = 1.0
    _, terms = objective(**vars(batch), crop_landmarks=batch.landmarks)
    assert terms["gaze"] == 0


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
    images = frames.pairs(6, np.random.default_rng(0)).images
    calibrate(network, images[0::2], images[1::2])
    first, second = network(images[0::2]).maps, network(images[1::2]).maps
    for one, other, scale in zip(first, second, network.map_scales, strict=True):
        assert ((one - other) * scale).square().mean() == pytest.approx(LAYER_DISTANCE, rel=1e-3)
    assert network.style_scales.isfinite().all() and STYLE_DISTANCE > 0


@pytest.fixture
def write_portrait_run(write_run, folder):
    """Write the config of a tiny run of the stage; keywords as those of `write_run`."""

    def write(name: str = "run", settings: dict | None = None, **loop):
        settings = {"network": TINY, "validation_images": 2, "calibration_people": 4} | (settings or {})
        path = write_run(name, stage="train_portrait_net", settings=settings, **loop)
        path.write_text(path.read_text().replace("sample_size: 16", f"sample_size: {SIZE}"))
        lines = [f"  folder: {folder}" if "folder:" in line[:10] else line for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines))
        return path

    return write


def assert_same_ends(whole, broken) -> None:
    """Both runs ended with the same trained weights and the same exported network."""
    last = list_checkpoints(whole)[-1].name
    for name in (f"checkpoints/{last}/model.safetensors", "model/portrait_net/diffusion_pytorch_model.safetensors"):
        first, second = load_file(whole / name), load_file(broken / name)
        assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first), name


def test_a_resumed_run_of_the_stage_equals_an_unbroken_one(write_portrait_run, tmp_path):
    train(write_portrait_run("whole"))
    config = write_portrait_run("broken")
    (tmp_path / "broken/checkpoints").mkdir(parents=True)
    shutil.copytree(tmp_path / "whole/checkpoints/step-0000002", tmp_path / "broken/checkpoints/step-0000002")
    train(config, "--resume", "latest")
    assert_same_ends(tmp_path / "whole", tmp_path / "broken")
    assert logged_losses(tmp_path / "broken") == logged_losses(tmp_path / "whole")[2:]


@pytest.mark.slow
def test_a_killed_and_resumed_run_equals_an_unbroken_one(write_portrait_run, tmp_path):
    train(write_portrait_run("whole", max_steps=12, checkpoint_every=1))
    arguments = ["--config", str(write_portrait_run("killed", max_steps=12, checkpoint_every=1)), "--resume", "latest"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train.commands.training"])
    for wanted in (1, 2):
        process = context.Process(target=command.main, args=(arguments,))
        process.start()
        before = len(list_checkpoints(tmp_path / "killed"))
        while len(list_checkpoints(tmp_path / "killed")) < max(wanted, before) and process.is_alive():
            time.sleep(0.005)
        process.kill()  # SIGKILL
        process.join()
        assert process.exitcode == -9
    train(*arguments[1:])
    assert_same_ends(tmp_path / "whole", tmp_path / "killed")


def test_the_stage_exports_a_network_that_is_read_and_measured(write_portrait_run, folder, tmp_path, capsys):
    train(write_portrait_run(max_steps=2, validate_every=2))
    exported = tmp_path / "run/model/portrait_net"
    network = read_portrait_net(exported)
    assert network(torch.zeros(1, 3, SIZE, SIZE)).expression.shape == (1, len(EXPRESSION_NAMES))
    assert network.map_scales.ne(1).all() and network.config.mouth_width == 16
    card = (tmp_path / "run/model/README.md").read_text()
    assert "not a whole model" in card and "| landmarks, px |" in card and "| verification AUC |" in card
    assert (tmp_path / "run/images/step-0000002.png").is_file()
    again = {"initial_network": str(exported), "held_out_folder": str(folder)}
    train(write_portrait_run("again", settings=again, max_steps=1, validate_every=1))
    capsys.readouterr()
    measure_command([str(exported), "--data", str(folder), "--sample_size", str(SIZE)])
    table = capsys.readouterr().out
    assert "| verification AUC, colours removed |" in table and "CPU ms per image" in table


def test_the_network_starts_from_another_ones_weights(write_portrait_run, folder, tmp_path):
    train(write_portrait_run(max_steps=1))
    exported = tmp_path / "run/model/portrait_net"
    path = write_portrait_run(settings={"initial_network": str(exported)})
    config = load_config(path, [], {"train_portrait_net": STAGES["train_portrait_net"].Settings})
    stage = STAGES["train_portrait_net"](config, Frames(folder, SIZE, 4), torch.device("cpu"))
    stored = read_portrait_net(exported).state_dict()
    assert all(torch.equal(value, stored[name]) for name, value in stage.network.state_dict().items())


def test_every_parameter_of_the_network_gets_a_gradient(write_portrait_run, folder):
    config = load_config(write_portrait_run(), [], {"train_portrait_net": STAGES["train_portrait_net"].Settings})
    stage = STAGES["train_portrait_net"](config, Frames(folder, SIZE, 4), torch.device("cpu"))
    loss, _ = stage.objective(**stage.batch(0))
    loss.backward()
    assert all(parameter.grad is not None for parameter in stage.objective.parameters())


@pytest.mark.parametrize("changes", [{"batch_size": 5}, {"batch_size": 2}])
def test_a_batch_that_does_not_hold_pairs_is_an_error(write_portrait_run, changes):
    with pytest.raises(ValueError, match="Expected an even loop.batch_size of at least 4"):
        train(write_portrait_run(**changes))


def test_a_folder_without_a_network_ends_with_a_message(folder, tmp_path):
    with pytest.raises(SystemExit, match="error: Expected diffusion_pytorch_model.safetensors"):
        measure_command([str(tmp_path), "--data", str(folder)])
