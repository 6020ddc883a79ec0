"""Several faces of a photo: each moves by itself, those beside it stay, and the nearer one lies above."""

import pytest
import torch

from diffusionact import DiffusionActPipeline, images
from diffusionact.face.errors import NoFaceFoundError
from diffusionact.generation import Sampling
from diffusionact.motion import script_poses
from diffusionact.pipelines.group_photo import GroupPhoto, face_at

pytestmark = pytest.mark.slow
SIDE = 320


@pytest.fixture(scope="module")
def photo(portrait):
    """A large face on the photo's left and a smaller one on its right."""

    def at(side):
        return images.model_to_uint8(images.resize(images.uint8_to_model(portrait[None]), side))[0]

    canvas = torch.full((SIDE, 600, 3), 120, dtype=torch.uint8)
    canvas[:, :SIDE] = at(SIDE)
    canvas[60:260, 380:580] = at(200)
    return canvas


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline.from_pretrained("photo")


def moved(pipeline, group, *values):
    model = pipeline.face_reader.face_model
    poses = [script_poses(model, source, [value]) for source, value in zip(group.sources, values, strict=True)]
    return next(group.stream(poses, Sampling(2)))


def difference(one, other, part):
    """Mean of the largest channel's difference, grey levels."""
    return float((one[part].float() - other[part].float()).abs().amax(-1).mean())


def test_each_face_moves_by_itself(pipeline, photo):
    both = GroupPhoto(pipeline, photo, [0, 1])
    laugh, still = {"jawOpen": 0.6, "smile": 0.5}, {}
    left, right = moved(pipeline, both, laugh, still), moved(pipeline, both, still, laugh)
    together = moved(pipeline, both, laugh, laugh)
    left_part, right_part = (slice(None), slice(0, 280)), (slice(None), slice(380, None))
    # A face at rest is rendered, too, and resampled.
    for one, other, part in ((left, right, left_part), (right, left, right_part)):
        assert difference(one, photo, part) > 3 * difference(other, photo, part)
        assert difference(other, photo, part) < 1
    assert difference(together, left, left_part) < 0.1
    assert difference(together, right, right_part) < 0.1


def test_faces_are_named_by_number_or_point(pipeline, photo, tiny_model_folder):
    assert face_at(pipeline, photo, 500, 150) == 1
    assert face_at(pipeline, photo, 10, 10) == 0
    with pytest.raises(ValueError, match="Name each of them once"):
        GroupPhoto(pipeline, photo, [1, 1])
    with pytest.raises(NoFaceFoundError):
        face_at(pipeline, torch.zeros_like(photo), 1, 1)
    tiny = DiffusionActPipeline.from_pretrained(tiny_model_folder)
    pasted = moved(tiny, GroupPhoto(tiny, photo, [1], num_inversion_steps=2), {})
    assert torch.equal(pasted[:, :SIDE], photo[:, :SIDE])
    assert not torch.equal(pasted, photo)
