"""The learned mouth: crops follow the head, nothing changes outside the lips, training goes on where it stopped."""

import pytest
import torch

from diffusionact.warping.topology import load_topology
from diffusionact.warping.values import HeadPlacement
from train.experiments.guided_fitting import Fitting, GuidedLoss, fit
from train.experiments.shards import save_shard
from train.mouth.crops import CROP_SIZE, MouthPairs, cut, inside_distance, mouth_marks, to_crop
from train.mouth.fitting import PairSet, augmented
from train.mouth.network import MouthModel

OPEN_LIP = 14


def open_mouth():
    """(478, 3) cm of the canonical face with its lower lip down."""
    canonical = load_topology().canonical
    head = torch.cat([canonical, canonical.new_zeros(10, 3)])
    head[[OPEN_LIP, 87, 317, 178, 402, 88, 318]] -= torch.tensor([0.0, 1.0, 0.0])
    return head


def placement_rolled(degrees, scale=0.08):
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    turn = torch.eye(3)
    turn[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    return HeadPlacement(turn[None], torch.tensor([scale]), torch.zeros(1, 3))


@pytest.fixture(scope="module")
def pair_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mouths")
    generator = torch.Generator().manual_seed(0)
    marks = mouth_marks(placement_rolled(0), open_mouth())
    marks = (marks @ to_crop(placement_rolled(0), marks)[:, :2].T + to_crop(placement_rolled(0), marks)[:, 2])[None]
    distance = inside_distance(marks[0])
    own = torch.full((1, 3, CROP_SIZE, CROP_SIZE), 120, dtype=torch.uint8)
    warped = torch.full((1, 3, CROP_SIZE, CROP_SIZE), 128, dtype=torch.uint8)
    truth = torch.where(distance > 0, 128 + 40 * torch.rand(3, 1, 1, generator=generator), 128.0)[None].to(torch.uint8)
    sure = (255 * (distance <= 0)).to(torch.uint8)[None, None]
    opening, nothing, one = torch.tensor([[1.0, 0.0]]), torch.zeros(1), torch.ones(1)
    pairs = MouthPairs(warped, truth, own, sure, marks.half(), opening, nothing, one)
    save_shard(folder / "one.safetensors", [("someone", pairs)])
    return PairSet(folder)


def test_a_crop_is_the_same_however_the_head_lies_in_the_image():
    head = open_mouth()
    placed = [placement_rolled(0), placement_rolled(30, 0.05)]
    crops = [(p, mouth_marks(p, head)) for p in placed]
    first, second = ((marks @ to_crop(p, marks)[:, :2].T + to_crop(p, marks)[:, 2]) for p, marks in crops)
    assert torch.allclose(first, second, atol=1e-2)
    assert first[0, 0] < first[10, 0]
    assert abs(float(first[0, 1] - first[10, 1])) < 1


def test_a_cut_shows_what_lies_there():
    image = torch.arange(256.0).expand(1, 256, 256) / 256
    marks = mouth_marks(placement_rolled(0), open_mouth())
    matrix = to_crop(placement_rolled(0), marks)
    middle = torch.linalg.solve(matrix[:, :2], torch.full((2,), (CROP_SIZE - 1) / 2) - matrix[:, 2])
    half = CROP_SIZE // 2
    shown = cut(image, matrix)[0, half, half - 1 : half + 1].mean()
    assert abs(float(shown) * 256 - float(middle[0])) < 0.05


def test_a_model_changes_nothing_outside_the_lips(pair_set):
    given, _ = pair_set.batch(torch.tensor([0]))
    noise = torch.randn(1, 3, CROP_SIZE, CROP_SIZE, generator=torch.Generator().manual_seed(1))
    model = MouthModel(widths=(8, 8)).eval()
    with torch.no_grad():
        assert not model.sample(given, noise, 1).any()
        torch.nn.init.normal_(model.unet.conv_out.weight)
        added = model.sample(given, noise, 2)
    assert added[given.gate.expand_as(added) > 0].abs().min() > 0
    assert not added[given.gate.expand_as(added) == 0].any()


def test_mouth_training_goes_on_where_it_stopped(pair_set, tmp_path):
    def trained(run, last):
        state = Fitting(run, lambda: MouthModel(widths=(8, 8)), 1e-3, 40)
        fit(state, GuidedLoss(0.5), augmented, [(pair_set, 2)], {}, last)
        return state.model.state_dict()

    trained(tmp_path / "parts", 1)
    parts, whole = trained(tmp_path / "parts", 3), trained(tmp_path / "whole", 3)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    loaded = MouthModel.load(tmp_path / "parts" / "model")
    assert isinstance(loaded, MouthModel)
