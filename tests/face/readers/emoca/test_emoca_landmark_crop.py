"""The landmark network's square and its heat maps: exactly the official whole pixels."""

import numpy as np
import pytest
import torch
from official_rule import normal_input

from diffusionact.face.readers.emoca.landmark_crop import (
    FaceSquare,
    crop_for_landmarks,
    heatmap_peaks,
    landmarks_from_heatmaps,
)


@pytest.fixture
def golden_square(golden_of) -> FaceSquare:
    golden = golden_of("face")
    return FaceSquare(torch.from_numpy(golden["crop_center"]).float(), float(golden["crop_scale"]))


def test_heat_maps_are_read_exactly_as_officially(golden_of, compare, golden_square):
    golden = golden_of("face")
    heatmaps = normal_input("input/heatmap", (1, 68, 64, 64))
    compare("2D-FAN peaks in the heat maps", heatmap_peaks(heatmaps), golden["preds"], 0)
    landmarks = landmarks_from_heatmaps(heatmaps, [golden_square])
    compare("2D-FAN landmarks, px", landmarks, golden["preds_image"], 0)


def test_the_square_is_cut_and_resized_exactly_as_officially(golden_of, golden_dir, compare, golden_square):
    image = torch.from_numpy(np.load(golden_dir / "align.npz")["picture"]).permute(2, 0, 1).float()
    crop = crop_for_landmarks(image, golden_square)
    compare("2D-FAN crop, levels", crop[None, :, ::4, ::4], golden_of("face")["crop_s4"], 1e-3)


def test_the_square_lies_above_the_middle_of_the_box():
    square = FaceSquare.around(torch.tensor([100.0, 50.0, 180.0, 150.0]))
    assert square.centre.tolist() == [140.0, 88.0]  # 100 - 0.12 * 100
    assert square.scale == pytest.approx(180 / 195)


def test_landmarks_are_whole_pixels():
    heatmaps = torch.rand(3, 68, 64, 64)
    squares = [FaceSquare(torch.tensor([120.3, 130.7]), scale) for scale in (0.5, 1.1, 4.0)]
    landmarks = landmarks_from_heatmaps(heatmaps, squares)
    assert torch.equal(landmarks, landmarks.round())


def test_a_peak_comes_back_to_its_place_in_the_image():
    square = FaceSquare(torch.tensor([100.0, 80.0]), 0.64)  # 128 px: 2 px a cell, from (36, 16)
    heatmaps = torch.zeros(1, 68, 64, 64)
    heatmaps[:, :, 20, 30] = 1.0
    landmarks = landmarks_from_heatmaps(heatmaps, [square])
    assert landmarks.unique(dim=1).tolist() == [[[36 + 61, 16 + 41]]]  # the middle of the cell


def test_a_peak_moves_to_its_larger_neighbours_but_not_at_the_edge():
    heatmaps = torch.zeros(1, 2, 64, 64)
    heatmaps[0, 0, 20, 30], heatmaps[0, 0, 20, 31], heatmaps[0, 0, 19, 30] = 1.0, 0.5, 0.5
    heatmaps[0, 1, 0, 30], heatmaps[0, 1, 0, 31] = 1.0, 0.5
    assert heatmap_peaks(heatmaps).tolist() == [[[30.75, 20.25], [30.5, 0.5]]]


def test_beyond_the_image_the_crop_is_black():
    image = torch.full((3, 100, 100), 200.0)
    crop = crop_for_landmarks(image, FaceSquare(torch.tensor([0.0, 50.0]), 0.5))
    assert crop[:, 128, :120].max() == 0 and crop[:, 128, 140:].min() == 200
    assert crop_for_landmarks(image, FaceSquare(torch.tensor([-500.0, 50.0]), 0.5)).max() == 0
