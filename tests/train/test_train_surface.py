"""The learned unseen surface: it changes the gate alone, padding is no hole, noise moves with the head."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.models import UNet
from diffusionact.warping import WarpMotion, WarpRenderer, read_face
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.values import HeadPlacement
from diffusionact.weights.model_folder import DEMO_FOLDER
from portraits.head import Head
from train.experiments.guided_fitting import Fitting, GuidedLoss, fit
from train.experiments.shards import save_shard
from train.surface import cutting
from train.surface.cutting import cut_photo
from train.surface.fitting import PairSet, augmented
from train.surface.network import SurfaceModel
from train.surface.painting import IMAGE_SIZE, SurfacePainter
from train.surface.pairs import SIZE, cut_out_source, gates, shown_positions, told_by_photo
from train.surface.rendered import pairs_of, person_frames
from train.surface.returned import returned_pairs, turned_motion

FACE = (slice(50, 80), slice(50, 75))


def small_model():
    torch.manual_seed(0)
    return SurfaceModel(widths=(8, 8))


def still(source, shift=0.0):
    """The source as it is, moved right by so much of the plane."""
    moved = source.shift + torch.tensor([shift, 0.0, 0.0])
    return WarpMotion(HeadPlacement(source.rotation, source.scale, moved), torch.zeros(1, 478, 3))


@pytest.fixture(scope="module")
def preparer():
    return PhotoPreparer()


@pytest.fixture(scope="module")
def face_model():
    return OpenFaceModel.from_bundled()


@pytest.fixture(scope="module")
def frames():
    return person_frames(Head(), 0)[:3]


@pytest.fixture(scope="module")
def source(frames, preparer, face_model):
    return cut_out_source(frames[0], read_face(frames[0], preparer.landmarker, face_model), preparer)


@pytest.fixture(scope="module")
def pairs(frames, preparer, face_model):
    return pairs_of(frames, preparer.landmarker, face_model, preparer, np.random.default_rng(1))


@pytest.fixture(scope="module")
def pair_set(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("surfaces")
    save_shard(folder / "one.safetensors", [("someone", pairs)])
    return PairSet(folder, small_model())


def test_a_surface_model_changes_nothing_outside_its_gate(source):
    motion = turned_motion(source, np.array([30.0, 0.0, 0.0]))
    drawn = WarpRenderer(source, IMAGE_SIZE).render(motion)
    model = small_model()
    painter = SurfacePainter(model, source)
    given = painter.given(drawn, motion)
    unchanged = painter.paint(drawn, motion, given)
    torch.nn.init.normal_(model.unet.conv_out.weight)
    painted = painter.paint(drawn, motion, given)
    opened = F.interpolate(given.gate, size=IMAGE_SIZE, mode="bilinear")
    away = (painted - drawn.images).abs().amax(1, keepdim=True)
    reached = F.max_pool2d((opened > 0).float(), 5, 1, 2)
    assert torch.allclose(unchanged, drawn.images, atol=1e-6)
    assert away[opened > 0.9].mean() > 0.01
    assert away[reached == 0].max() < 1e-6


def test_the_gate_opens_with_the_turn_and_spares_the_sure_face(source):
    shares = []
    for degrees in (0.0, 15.0, 30.0):
        motion = turned_motion(source, np.array([degrees, 0.0, 0.0]))
        drawn = WarpRenderer(source, SIZE).render(motion)
        opened = gates(drawn, told_by_photo(source, motion, drawn), torch.tensor([degrees]))
        sure_face = (drawn.confidence > 0.8) & (drawn.labels == 0)
        assert opened[sure_face].max() < 0.05
        shares.append(float(opened.mean()))
    assert shares[0] < 0.05 < shares[1] < shares[2]


def test_what_lies_beyond_a_cut_photo_is_no_hole(frames, preparer, face_model, monkeypatch):
    monkeypatch.setattr(cutting, "CUT_PHOTOS", 1.0)
    monkeypatch.setattr(cutting, "CUT_SIZES", (0.6, 0.6))
    mesh = read_face(frames[0], preparer.landmarker, face_model).mesh
    photo, (left, top) = cut_photo(frames[0], mesh, np.random.default_rng(1))
    assert photo.shape != frames[0].shape
    height, width = photo.shape[:2]
    assert torch.equal(photo, frames[0][top : top + height, left : left + width])
    source = cut_out_source(photo, read_face(photo, preparer.landmarker, face_model), preparer)
    drawn = WarpRenderer(source, SIZE).render(still(source))
    told = told_by_photo(source, still(source), drawn)[0, 0]
    moved, _ = shown_positions(source, still(source), 0)
    inside = F.grid_sample(source.inside[None], moved[None], align_corners=False)[0, 0]
    assert (inside == 0).any()
    assert not told[inside == 0].any()
    assert told[inside == 1].mean() > 0.8


def test_noise_moves_with_the_head(source):
    painter = SurfacePainter(small_model(), source)
    before, after = (painter.noise_at(still(source, shift), 0) for shift in (0.0, 16 / SIZE))
    rows, columns = FACE
    there = slice(columns.start + 8, columns.stop + 8)
    assert torch.allclose(before[:, rows, columns], after[:, rows, there], atol=1e-3)
    assert 0.9 < float(before.std()) < 1.1


def test_a_photo_warped_there_and_back_has_itself_as_truth(frames, preparer, face_model, monkeypatch):
    monkeypatch.setattr(cutting, "CUT_PHOTOS", 0.0)
    found = returned_pairs(frames[1], 2, np.random.default_rng(0), preparer, face_model)
    assert len(found) == 2
    for pair in found:
        assert 5 < float(pair.turn) < 50
        assert float(pair.miss) < 15
        assert (pair.gate > 127).float().mean() > 0.01


def test_pairs_know_where_truth_and_gate_lie(pairs):
    assert len(pairs) == 2
    assert (pairs.turn > 10).all()
    assert not pairs.gate[pairs.told == 0].any()
    landmarks = pairs.landmarks.mean(1)
    assert ((landmarks > 20) & (landmarks < SIZE - 20)).all()


def test_mirrored_surfaces_have_no_code(pair_set):
    given, truth = pair_set.batch(torch.zeros(16, dtype=torch.long))
    changed, _ = augmented(given, truth, torch.Generator().manual_seed(0))
    without = (changed.code == 0).all(1)
    assert 2 < int(without.sum()) < 14
    assert torch.equal(changed.gate[without], given.gate[without].flip(-1))
    assert torch.equal(changed.gate[~without], given.gate[~without])


def test_surface_training_goes_on_where_it_stopped(pair_set, tmp_path):
    def trained(run, last):
        state = Fitting(run, small_model, 1e-3, 2)
        fit(state, GuidedLoss(0.5), augmented, [(pair_set, 1), (pair_set, 1)], {"known": pair_set}, last)
        return state.model.state_dict()

    trained(tmp_path / "parts", 1)
    parts, whole = trained(tmp_path / "parts", 3), trained(tmp_path / "whole", 3)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert isinstance(SurfaceModel.load(tmp_path / "parts" / "model"), SurfaceModel)


def test_a_surface_model_begins_as_the_bundled_network():
    model = SurfaceModel()
    known, guide = UNet.from_pretrained(DEMO_FOLDER / "unet").conv_in.weight, model.unet.guide_in.weight
    assert torch.equal(guide[:, : known.shape[1]], known)
    assert not guide[:, known.shape[1] :].any()
    assert not model.unet.conv_in.weight.any()
    assert not model.unet.conv_out.weight.any()
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
