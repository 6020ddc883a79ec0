"""Photos with transparent parts: colours and alpha apart, no black under what is transparent."""

import numpy as np
import torch
from PIL import Image

from diffusionact.images import load_image
from diffusionact.transparency import continued_colours, load_with_alpha, over_white


def test_colours_go_on_where_a_file_holds_black(tmp_path):
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[10:30, 20:40] = (200, 100, 50, 255)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    colours, alpha = load_with_alpha(tmp_path / "photo.png")
    assert alpha.shape == (40, 60) and alpha.sum() == 255 * 20 * 20
    assert (colours.int() - torch.tensor([200, 100, 50])).abs().max() <= 1
    assert (over_white(colours, alpha).int() - load_image(tmp_path / "photo.png").int()).abs().max() <= 1


def test_opaque_photos_have_no_alpha(tmp_path):
    Image.new("RGBA", (20, 20), (10, 20, 30, 255)).save(tmp_path / "photo.png")
    colours, alpha = load_with_alpha(tmp_path / "photo.png")
    assert alpha is None and colours.shape == (20, 20, 3)


def test_colours_of_soft_edges_stay():
    colours = torch.randint(0, 256, (31, 17, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    alpha = torch.full((31, 17), 60, dtype=torch.uint8)
    assert torch.equal(continued_colours(colours, alpha), colours)
