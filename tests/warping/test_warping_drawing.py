"""Boxes of a frame that its parts are painted in."""

import torch

from diffusionact.warping.drawing import Drawing
from diffusionact.warping.sampling import pixel_centres


def drawing(height=20, width=30):
    return Drawing(
        image=torch.zeros(3, height, width),
        confidence=torch.ones(height, width),
        grid=torch.zeros(height, width, 2),
        pixels=pixel_centres(height, width, torch.device("cpu")),
        points=torch.zeros(478, 2),
        head=torch.zeros(478, 3),
        change=torch.zeros(478, 3),
        placement=None,
    )


def test_boxes_of_one_size_hold_their_corners_and_stay_in_the_frame():
    low, high = torch.tensor([[2.0, 3.0], [26.0, 15.0]]), torch.tensor([[12.0, 6.0], [33.0, 25.0]])
    frame = drawing()
    pixels = frame.cut(frame.pixels, frame.boxes(low, high))
    assert pixels.shape == (2, 5, 11, 2)
    for corners, shown in zip(zip(low, high, strict=True), pixels.flatten(1, 2), strict=True):
        first, last = (corner.clamp(max=torch.tensor([29.0, 19.0])) for corner in corners)
        assert (shown.amin(0) <= first).all() and (shown.amax(0) >= last).all()


def test_an_eye_outside_the_frame_borrows_a_box_and_two_outside_have_none():
    low, high = torch.tensor([[2.0, 3.0], [50.0, 3.0]]), torch.tensor([[8.0, 6.0], [60.0, 6.0]])
    frame = drawing()
    first, second = frame.boxes(low, high)
    assert first == second
    assert frame.boxes(low + 40, high + 40) is None
    assert frame.boxes(low * torch.nan, high) is None
