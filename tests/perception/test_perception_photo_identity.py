"""Who is on a photo: dlib's own embeddings of NASA's portrait, and what the distance says.

`golden_photo_identity.safetensors` holds what dlib 20.0.1 gives for the demo's photo: of our crop of it, and of the
photo itself with the same landmarks, rounded to whole pixels.
"""

from pathlib import Path

import pytest
import torch
from kornia.filters import gaussian_blur2d
from safetensors.torch import load_file

import diffusionact
from diffusionact.face.readers.open.tracking import OpenFaceTracker
from diffusionact.images import load_image, model_to_uint8, uint8_to_model
from diffusionact.perception import load_identity_network
from diffusionact.perception.photo_identity_crops import CROP_SIZE, crop_to_image, photo_identity_crops
from diffusionact.video import open_frames

MEDIA = Path(diffusionact.__file__).parent / "demo" / "media"

GOLDEN = load_file(Path(__file__).with_name("golden_photo_identity.safetensors"))


@pytest.fixture(scope="module")
def network():
    return load_identity_network("photo")


@pytest.fixture(scope="module")
def photo():
    return uint8_to_model(load_image(MEDIA / "photo.jpg")[None])


@pytest.fixture
def landmarks():
    return GOLDEN["landmarks"][None].clone()


def test_embeddings_are_dlibs(network, photo, landmarks):
    # dlib takes crops of 8 bits.
    crop = uint8_to_model(model_to_uint8(photo_identity_crops(photo, landmarks)))
    assert (network.embed_crops(crop)[0] - GOLDEN["of_crop"]).norm() < 0.002
    assert (network(photo, landmarks)[0] - GOLDEN["of_photo"]).norm() < 0.03
    assert network.compared_by == "distance"


def test_a_person_is_nearer_to_herself_than_to_another(network, photo, landmarks):
    frame = next(iter(open_frames(MEDIA / "photo_driving.mp4")))
    seen = OpenFaceTracker("largest", "error").observe(frame[None]).landmarks
    other, darker = network(uint8_to_model(frame[None]), seen), network(photo * 0.8 - 0.2, landmarks)
    own = network(photo, landmarks)
    assert (own - darker).norm() < 0.2
    assert (own - other).norm() > 0.6


def test_batches_and_landmarks_that_move_with_the_image_change_little(network, photo, landmarks):
    moved = torch.nn.functional.pad(photo, (40, 0, 25, 0), value=-1.0)
    away = network(moved, landmarks + torch.tensor([40.0, 25.0]))
    torch.testing.assert_close(away, network(photo, landmarks), atol=2e-3, rtol=0)
    both = network(torch.cat([photo, photo.flip(1)]), landmarks.expand(2, -1, -1))
    torch.testing.assert_close(both[:1], network(photo, landmarks), atol=1e-4, rtol=0)


def test_crops_are_placed_by_the_mean_face_and_black_beyond_borders(photo, landmarks):
    corners = torch.tensor([[0.0, 0.0, 1.0], [CROP_SIZE - 1.0, 0.0, 1.0], [0.0, CROP_SIZE - 1.0, 1.0]])
    upper_left, upper_right, lower_left = (crop_to_image(landmarks)[0] @ corners.T).T
    across, down = upper_right - upper_left, lower_left - upper_left
    assert abs(float(across @ down)) < 1e-2 * float(across.norm() * down.norm()), "a square"
    assert float(across.norm()) == pytest.approx(float(down.norm()), rel=1e-4)
    assert bool((photo_identity_crops(photo, landmarks + 5000) == -1).all())


def test_features_of_whole_images_notice_blur_and_have_three_sizes(network, photo):
    image = photo[..., :256, :256]
    maps = network.features(image)
    assert [layer.shape[1] for layer in maps] == [32, 64, 128]
    assert [layer.shape[-1] for layer in maps] == [62, 31, 15]
    blurred = network.features(gaussian_blur2d(image, (9, 9), (2.0, 2.0)))
    assert all((ours - theirs).abs().mean() > 1e-3 for ours, theirs in zip(maps, blurred, strict=True))
