"""The learned light: nothing changes in the source's own pose, and training goes on where it stopped."""

import pytest
import torch
import torch.nn.functional as F

from diffusionact.warping.confidence import face_normals
from diffusionact.warping.topology import load_topology
from train.experiments.shards import load_shards, save_shard
from train.light.fitting import Fitting, PairSet, augmented, predict
from train.light.network import LightField
from train.light.pairs import LightPairs
from train.light.relighting import log_shading

AHEAD = torch.tensor([0.2, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def turned_by(yaw, normals):
    turn = torch.tensor([[yaw.cos(), 0.0, yaw.sin()], [0.0, 1.0, 0.0], [-yaw.sin(), 0.0, yaw.cos()]])
    return normals @ turn.T


def pairs_under(generator):
    """A face under a lamp from aside of which the harmonics tell nothing but its strength."""
    normals = face_normals(load_topology().canonical)
    lamp = F.normalize(torch.randn(3, generator=generator) * torch.tensor([1.0, 0.2, 0.2]), dim=0)
    turned = torch.stack([turned_by(yaw, normals) for yaw in 0.5 * torch.randn(3, generator=generator)])
    before, after = ((0.6 + 0.3 * directions @ lamp) for directions in (normals, turned))
    return LightPairs(
        colour=before[:, None].expand(-1, 3).contiguous(),
        seen=torch.ones(len(normals)),
        light=AHEAD,
        normals=normals,
        turned=turned,
        brightness=before.expand(3, -1).contiguous(),
        ratio=(after / before).log(),
        weight=torch.ones(3, len(normals)),
    )


@pytest.fixture(scope="module")
def pair_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("light")
    generator = torch.Generator().manual_seed(0)
    save_shard(folder / "some.safetensors", [(f"{k:02d}", pairs_under(generator)) for k in range(24)])
    return PairSet(folder)


def test_shards_give_back_what_was_saved(tmp_path):
    pairs = pairs_under(torch.Generator().manual_seed(1))
    save_shard(tmp_path / "one.safetensors", [("someone", pairs)])
    ((name, read),) = load_shards([tmp_path / "one.safetensors"], LightPairs)
    assert name == "someone"
    for part, value in pairs.tensors().items():
        assert torch.allclose(read.tensors()[part], value, atol=1e-3)


def test_nothing_changes_in_the_sources_own_pose(pair_set):
    network = LightField()
    torch.nn.init.normal_(network.leave.weight)  # fresh weights say nothing in any pose
    batch = pair_set.batch(torch.arange(2))
    own = log_shading(AHEAD, batch["normals"][:, None])
    batch |= {"turned": batch["normals"][:, None], "shaded": own, "harmonics": own[:, 0]}
    assert predict(network, batch).abs().max() < 1e-5
    batch["turned"] = turned_by(torch.tensor(0.4), batch["turned"])
    assert predict(network, batch).abs().max() > 1e-2


def test_mirroring_moves_the_light_to_the_other_side(pair_set):
    batch = pair_set.batch(torch.arange(len(pair_set)))
    mirrored = augmented(batch, torch.Generator().manual_seed(0))
    other = batch["ratio"][..., load_topology().mirror]
    same, flipped = (_alike(mirrored["ratio"], ratio) for ratio in (batch["ratio"], other))
    assert (same ^ flipped).all()
    assert same.any() and flipped.any()


def _alike(first, second):
    """(B,) whether ratios (B, T, N) are one another's multiples."""
    scale = (first * second).sum((1, 2)) / second.square().sum((1, 2))
    return (first - scale[:, None, None] * second).abs().amax((1, 2)) < 5e-3


def test_training_learns_and_goes_on_where_it_stopped(pair_set, tmp_path):
    batch = pair_set.batch(torch.arange(8))
    run = Fitting(tmp_path)
    losses = [run.learn(batch, 0.0, torch.Generator().manual_seed(0)) for _ in range(12)]
    assert losses[-1] < losses[0]
    run.save()
    again = Fitting(tmp_path)
    assert again.step == 12
    for state in (run, again):
        state.learn(batch, 0.5, torch.Generator().manual_seed(1))
    assert all(map(torch.equal, run.average.parameters(), again.average.parameters()))
