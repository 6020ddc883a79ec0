"""The upper teeth of a photo: measured on painted ones, and joined by drawn ones where lips rise."""

from dataclasses import replace

import pytest
import torch

from diffusionact.warping import WarpRenderer, coefficient_motion
from diffusionact.warping.own_mouth import find_own_mouth
from diffusionact.warping.own_teeth import columns
from diffusionact.warping.sampling import apply, pixel_centres, pixels_to_grid
from diffusionact.warping.teeth import TOOTH_HEIGHT_CM, arch_depth
from diffusionact.warping.topology import LIP_RING
from diffusionact.warping.view import plane_to_output, source_grid

WHITE, DARK, RED = (0.85, 0.8, 0.75), (0.08, 0.04, 0.04), (0.7, 0.3, 0.3)
UPPER_LIP, LOWER_LIP = list(LIP_RING[1:10]), list(LIP_RING[:10:-1])


@pytest.fixture(scope="session")
def painted(source):
    """The source with another inside of its mouth: `paint(x, down)` is True where it has a colour.

    `x` and `down` are cm from the mouth's middle and from the upper lip's middle downwards, near the front teeth.
    """
    own = find_own_mouth(source)
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    start = torch.stack([own.middle, source.shape[13, 1], own.front])
    places = torch.stack([source_grid(source, start + torch.tensor([x, -y, 0.0])) for x, y in corners.tolist()])
    places = apply(source.mouth_frame, places)
    linear = torch.stack([places[1] - places[0], places[2] - places[0]], dim=1)
    side = source.mouth_inside.shape[-1]
    grid = apply(pixels_to_grid(side, source.device), pixel_centres(side, side, source.device))
    x, down = ((grid - places[0]) @ torch.linalg.inv(linear).T).unbind(-1)

    def with_colours(*layers, ground=DARK):
        inside = torch.tensor(ground)[:, None, None].expand(3, side, side).clone()
        for colour, paint in layers:
            inside = torch.where(paint(x, down), torch.tensor(colour)[:, None, None], inside)
        return replace(source, mouth_inside=torch.cat([inside, source.mouth_inside[3:]]))

    return with_colours


@pytest.fixture(scope="session")
def slit(painted):
    """Teeth that show 0.3 cm, 2 cm wide, above the dark."""
    return painted((WHITE, lambda x, down: (x.abs() < 1.0) & (down < 0.3)))


def looker(source, directions, own, up=0.0, drop=0.0):
    """The mouth with the upper lip raised and the lower one dropped, cm: `look(x, y)` is the brightness on the teeth.

    It is in [0, 1]; `x` is cm from the mouth's middle and `y` a height of head space.
    """
    renderer, mouth = WarpRenderer(source, 512, relight=0.0), find_own_mouth(source)
    motion = coefficient_motion(source, directions, own, source.gaze)
    change = motion.change.clone()
    change[:, UPPER_LIP, 1] += up
    change[:, LOWER_LIP, 1] -= drop
    image = renderer.render(replace(motion, change=change)).images[0].mean(0) / 2 + 0.5

    def look(x, y):
        point = torch.stack([mouth.middle + x, torch.as_tensor(y), mouth.front - arch_depth(torch.tensor(x))])
        column, row = plane_to_output(motion.placement.place(point[None, None])[0], renderer.to_output)[0, :2].tolist()
        return image[round(row), round(column)]

    return look


def test_the_edge_of_a_slit_of_teeth_is_found(slit):
    teeth = find_own_mouth(slit).teeth
    edge, _, shown = teeth.lines[:3]
    x = columns(slit.device)
    assert teeth.shows == 1
    assert (slit.shape[13, 1] - edge[x.abs() < 0.6] - 0.3).abs().max() < 0.1
    assert shown[x.abs() < 0.5].min() > 0.9 and shown[x.abs() > 1.6].max() == 0


def test_what_is_dark_or_red_under_the_lip_is_no_teeth(painted):
    assert find_own_mouth(painted()).teeth.shows == 0
    assert find_own_mouth(painted(ground=RED)).teeth.shows < 0.1


def test_a_black_mouth_is_rendered_as_one_without_teeth(painted, directions, own):
    """Where every value is 0, nothing is divided by it."""
    black = painted(ground=(0.0, 0.0, 0.0))
    assert find_own_mouth(black).teeth.shows == 0
    assert looker(black, directions, own, drop=0.6)(0.2, black.shape[14, 1] + 0.1) < 0.4


def test_gum_is_told_from_the_shade_of_the_lip(painted):
    gum = painted((WHITE, lambda x, down: (down > 0.25) & (down < 0.95)), ground=RED)
    shade = painted((WHITE, lambda x, down: (down > 0.2) & (down < 0.5)))
    assert abs(find_own_mouth(gum).teeth.height - 0.7) < 0.12
    assert find_own_mouth(shade).teeth.height >= TOOTH_HEIGHT_CM - 1e-3


def test_a_slit_that_laughs_shows_a_whole_row_of_teeth(slit, directions, own):
    """Under the risen lip, and beside the teeth that the photo shows."""
    look, lip = looker(slit, directions, own, up=0.45, drop=0.3), slit.shape[13, 1]
    own_tooth = look(0.4, lip - 0.2)
    assert own_tooth > 0.7
    assert look(0.4, lip + 0.2) > 0.7 * own_tooth  # in the middle of a drawn tooth
    assert look(1.15, lip + 0.1) > 0.55 * own_tooth
    assert look(0.4, lip - 0.7) < 0.4 * own_tooth


def test_teeth_stand_beside_a_narrow_row_only_as_the_lip_rises(painted, directions, own):
    narrow = painted((WHITE, lambda x, down: (x.abs() < 0.8) & (down < 0.6)))
    lip = narrow.shape[13, 1]
    still, risen = (looker(narrow, directions, own, up=up, drop=0.2) for up in (0.0, 0.3))
    assert still(1.15, lip - 0.3) < 0.3
    assert risen(1.15, lip - 0.3) > 0.4


def test_a_risen_lip_takes_its_shade_from_the_teeth(painted, directions, own):
    shade = painted((WHITE, lambda x, down: down < 0.6), (DARK, lambda x, down: down < 0.12))
    lip = shade.shape[13, 1]
    assert looker(shade, directions, own, up=0.3)(0.4, lip - 0.04) > 0.6


def test_lower_teeth_go_with_the_lower_lip(painted, source, directions, own):
    lip = source.shape[14, 1]
    gap = float(source.shape[13, 1] - lip)
    mouth = painted(
        (WHITE, lambda x, down: (x.abs() < 1.2) & (down < 0.3)),
        (WHITE, lambda x, down: (x.abs() < 1.0) & (down > gap - 0.45) & (down < gap - 0.2)),
    )
    still, opened = looker(mouth, directions, own), looker(mouth, directions, own, drop=0.8)
    assert still(0.2, lip + 0.3) > 0.7
    assert opened(0.2, lip + 0.3) < 0.4
    assert opened(0.2, lip + 0.3 - 0.8) > 0.6


def test_dim_teeth_of_a_slit_get_brighter_as_it_opens_and_bright_ones_stay(painted):
    dim = painted((tuple(0.6 * value for value in WHITE), lambda x, down: down < 0.4))
    bright = painted(((0.98, 0.97, 0.95), lambda x, down: down < 0.4))
    assert find_own_mouth(dim).brighter > 1.2
    assert find_own_mouth(bright).brighter < 1.05
