"""A crop changed by hand: coefficients and points say the same in the new square, and the image in it is that one."""

import pytest
import torch

from diffusionact.face.geometry.alignment import cut_crop, transform_points
from diffusionact.face.geometry.crop_change import UNCHANGED, CropChange
from diffusionact.face.readers.changed_crop import changed_face, changed_source, check_crop_change
from diffusionact.face.readers.registry import load_face_reader

CHANGE = CropChange(scale=1.5, right=0.1, up=-0.2, rotate=30.0)


@pytest.fixture(scope="module")
def reader():
    return load_face_reader("open")


@pytest.fixture(scope="module")
def found(reader, portrait):
    return reader.read_source(portrait, "largest")


def test_drawn_landmarks_move_with_the_square(reader, found):
    face, changed = found.face, changed_face(found.face, CHANGE)
    before, after = (reader.face_model.landmarks(part.coefficients, 256) for part in (face, changed))
    assert (after - transform_points(CHANGE.matrix(256), before)).abs().max() < 0.01
    # Clockwise in the image for the square is counter-clockwise for the face.
    pose = [reader.face_model.head_pose(part.coefficients.rotation)[0, 2] for part in (face, changed)]
    assert float(pose[1] - pose[0]) == pytest.approx(30.0, abs=3.0)
    assert float(changed.observation.head_pose[0, 2] - face.observation.head_pose[0, 2]) == pytest.approx(30, abs=3)


def test_points_lie_at_the_same_pixels_of_the_photo(found):
    face, changed = found.face, changed_face(found.face, CHANGE)
    in_photo = [transform_points(torch.linalg.inv(_square(part.crop.matrix))[:, :2], part.observation.landmarks)
                for part in (face, changed)]  # fmt: skip
    assert (in_photo[0] - in_photo[1]).abs().max() < 0.01


def _square(matrix):
    return torch.cat([matrix, torch.tensor([[[0.0, 0.0, 1.0]]])], dim=1)


def test_a_source_is_cut_out_anew(portrait, found):
    changed = changed_source(portrait, found, CHANGE)
    assert torch.equal(changed.aligned, cut_crop(portrait, changed.face.crop, 256))
    assert not torch.equal(changed.aligned, found.aligned)
    assert changed_source(portrait, found, UNCHANGED) is found


def test_other_cameras_and_values_out_of_range_are_rejected():
    with pytest.raises(ValueError, match="'open' or 'insightface'"):
        check_crop_change(CHANGE, "crop224")
    with pytest.raises(ValueError, match="scale"):
        CropChange(scale=0.1)
