"""The crop of face recognition networks: OpenCV's and insightface's, black beyond borders, differentiable."""

import numpy as np
import pytest
import torch
from perception_networks import template_landmarks, tiny_images

from diffusionact.face.readers.emoca.gaze_net import five_points
from diffusionact.perception.identity_crops import CROP_SIZE, TEMPLATE, identity_crops


def turned_landmarks(size: float, degrees: float) -> torch.Tensor:
    """Landmarks of a face that is turned in the plane, two images."""
    landmarks, angle = template_landmarks(size), torch.tensor(degrees).deg2rad()
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    return (landmarks - size / 2) @ turn.T + size / 2


@pytest.mark.parametrize("degrees", [0.0, 25.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (40.0, -30.0)])
def test_crops_equal_opencvs_warp_by_scikit_images_similarity(degrees, shift):
    cv2 = pytest.importorskip("cv2", reason="OpenCV (dev extra) is absent")
    transform = pytest.importorskip("skimage.transform", reason="scikit-image (dev extra) is absent")
    images, landmarks = tiny_images(size=150), turned_landmarks(130, degrees) + torch.tensor(shift)
    ours = identity_crops(images, landmarks)
    similarity = transform.SimilarityTransform.from_estimate(five_points(landmarks)[0].numpy(), np.array(TEMPLATE))
    for crop, image in zip(ours, images, strict=True):
        # Levels above 0, so that what OpenCV fills with 0 is black.
        levels = ((image + 1) * 127.5).permute(1, 2, 0).numpy()
        warped = cv2.warpAffine(levels, similarity.params[:2], (CROP_SIZE, CROP_SIZE), borderValue=0.0)
        difference = ((crop + 1) * 127.5).permute(1, 2, 0).numpy() - warped
        assert np.abs(difference).mean() < 0.3, "OpenCV rounds positions to 1/32 px"
        assert np.abs(difference).max() < 8, "at the border more, between black and the image"


def test_a_face_in_the_template_is_cut_out_as_it_is():
    images = tiny_images(size=CROP_SIZE)
    torch.testing.assert_close(identity_crops(images, template_landmarks(CROP_SIZE)), images, atol=1e-3, rtol=0)


def test_oblong_images_are_not_squeezed():
    images = tiny_images(size=150)
    landmarks = template_landmarks(100)
    torch.testing.assert_close(
        identity_crops(images[..., :120, :], landmarks), identity_crops(images, landmarks), atol=1e-4, rtol=0
    )


def test_beyond_the_borders_it_is_black():
    crops = identity_crops(torch.ones(2, 3, 64, 64), template_landmarks(64) + 1000)
    assert torch.equal(crops, torch.full_like(crops, -1.0))


def test_half_precision_images_are_cut_at_the_same_places():
    images, landmarks = tiny_images(size=150), template_landmarks(100)
    half = identity_crops(images.bfloat16(), landmarks)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), identity_crops(images, landmarks), atol=0.02, rtol=0)
