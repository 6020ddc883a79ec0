"""Resizing by areas gives OpenCV's pixels."""

import numpy as np
import pytest
import torch

from diffusionact.face.geometry.area_resize import resize_by_area


def test_enlarging_is_the_official_one(golden_fd):
    golden = np.load(golden_fd / "crop.npz")
    resized = resize_by_area(torch.from_numpy(golden["picture_small"]), 1000)
    assert list(resized.shape) == golden["resized_shape"].tolist()
    assert np.array_equal(resized.numpy()[::8, ::8], golden["resized_s8"])


@pytest.mark.parametrize("shape", [(700, 1400), (1080, 1920), (900, 700)], ids=["whole", "parts", "larger"])
def test_resizing_is_opencvs(shape):
    cv2 = pytest.importorskip("cv2", reason="OpenCV (dev extra) is absent")
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    height = int(shape[0] * 1000 / shape[1])
    expected = cv2.resize(image, (1000, height), interpolation=cv2.INTER_AREA)
    difference = np.abs(resize_by_area(torch.from_numpy(image), 1000).numpy().astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # halves are rounded after other sums
