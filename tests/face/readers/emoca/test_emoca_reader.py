"""The paper's face reader over images and clips: tiny networks, and a detector that sees one face in the middle."""

from dataclasses import replace

import pytest
import torch
from tiny_official import make_tiny_reader

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.crop_frame import crop_frame_transform
from diffusionact.face.pose.options import PoseOptions

STILL = PoseOptions(smoothing=0.0)


@pytest.fixture(scope="module")
def reader():
    return make_tiny_reader()


@pytest.fixture(scope="module")
def frames(portrait):
    """Five frames of a moving image; the third is dark, so that no face is seen."""
    moved = torch.stack([portrait.roll(4 * step, 1) for step in range(5)])
    moved[2] = 0
    return moved


def test_a_source_comes_aligned_with_coefficients_of_the_224_px_crop(reader, portrait):
    source = reader.read_source(portrait, "largest")
    assert source.aligned.shape == (256, 256, 3) and source.aligned.dtype == torch.uint8
    coefficients = source.face.coefficients
    assert coefficients.shape.shape == (1, 100) and coefficients.expression.shape == (1, 53)
    seen = source.face.observation
    torch.testing.assert_close(seen.landmarks, seen.landmarks.round(), atol=0, rtol=0)
    expected = crop_frame_transform(seen.landmarks)
    torch.testing.assert_close(source.face.camera_crop.matrix, expected.matrix)
    torch.testing.assert_close(seen.head_pose, reader.face_model.head_pose(coefficients.rotation))


def test_a_clip_is_read_one_frame_at_a_time(reader, portrait):
    taken = []

    def clip():
        for step in range(100):
            taken.append(step)
            yield portrait.roll(step, 1)

    stream = reader.read(clip(), STILL, 25.0)
    next(stream)
    next(stream)
    assert len(taken) == 2


def test_frames_do_not_depend_on_each_other_without_smoothing(reader, portrait):
    clip = torch.stack([portrait, portrait.roll(8, 1)])
    both = list(reader.read(clip, STILL, 25.0))
    alone = list(reader.read(clip[1:], STILL, 25.0))
    torch.testing.assert_close(both[1].coefficients.expression, alone[0].coefficients.expression)
    assert (both[0].coefficients.expression - both[1].coefficients.expression).abs().max() > 1e-4


def test_smoothing_shortens_the_way_between_frames(reader, frames):
    def travel(strength):
        faces = list(reader.read(frames[[0, 1, 3, 4]], PoseOptions(smoothing=strength), 25.0))
        values = torch.cat([face.coefficients.expression for face in faces])
        return (values[1:] - values[:-1]).abs().sum()

    assert travel(1.0) < 0.8 * travel(0.0)


def test_a_gap_is_bridged_and_marked(reader, frames):
    faces = list(reader.read(frames, STILL, 25.0))
    assert [bool(face.observation.found) for face in faces] == [True, True, False, True, True]
    middle = (faces[1].coefficients.camera + faces[3].coefficients.camera) / 2
    torch.testing.assert_close(faces[2].coefficients.camera, middle)


def test_a_gap_can_be_held(reader, frames):
    faces = list(reader.read(frames, replace(STILL, missing="hold"), 25.0))
    torch.testing.assert_close(faces[2].coefficients.expression, faces[1].coefficients.expression)


def test_a_gap_can_be_an_error(reader, frames):
    with pytest.raises(NoFaceFoundError, match="frame 3"):
        list(reader.read(frames, replace(STILL, missing="error"), 25.0))


def test_a_crop_for_the_clip_is_upright(reader, portrait):
    faces = list(reader.read(portrait[None], replace(STILL, driver_crop="clip"), 25.0))
    matrix = faces[0].crop.matrix[0]
    assert matrix[0, 1] == matrix[1, 0] == 0 and matrix[0, 0] > 0


@pytest.mark.parametrize("size", [(128, 128), (300, 512), (700, 400)])
def test_frames_of_any_size_are_read(reader, size):
    frame = torch.randint(100, 256, (*size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    face = next(reader.read(frame[None], STILL, 25.0))
    assert all(torch.isfinite(values).all() for values in vars(face.coefficients).values() if torch.is_tensor(values))


@pytest.mark.parametrize("face", ["largest", 0])
def test_a_source_without_a_face_is_rejected(reader, face):
    with pytest.raises(NoFaceFoundError, match="No face"):
        reader.read_source(torch.zeros(64, 64, 3, dtype=torch.uint8), face)


def test_an_index_beyond_the_faces_is_rejected(reader, portrait):
    with pytest.raises(NoFaceFoundError, match="1 face"):
        reader.read_source(portrait, 3)


@pytest.mark.parametrize("change", [{"face": "nearest"}, {"face": -1}, {"missing": "guess"}])
def test_unknown_options_are_rejected_before_any_frame(reader, change):
    with pytest.raises(ValueError, match="Expected"):
        reader.read([], replace(STILL, **change), 25.0)
