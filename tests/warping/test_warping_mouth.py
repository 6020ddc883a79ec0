"""The inside of the mouth: drawn in head space, or the photo's own kept rigid."""

from dataclasses import replace

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.warping import WarpRenderer, coefficient_motion
from diffusionact.warping.mouth import lip_opening, shows_inside
from diffusionact.warping.teeth import MouthPlace, draw_mouth, tooth_colour
from diffusionact.warping.topology import LIP_RING
from diffusionact.warping.view import plane_to_output

LIGHT = torch.tensor([0.75, 0.6, 0.5])


def draw(jaw_drop=-1.5, light=LIGHT, lower=1.0, limit=1.0, lower_lip=-3.0, top=0.3):
    """A mouth of 5 x 4 cm, open from `top` above the closed lips downwards."""
    y, x = torch.meshgrid(torch.linspace(top, -3.0, 66), torch.linspace(-2.5, 2.5, 100), indexing="ij")
    place = MouthPlace(
        x=x,
        y=y,
        seam=torch.tensor(0.0),
        upper_lip=torch.full_like(x, top),
        lower_lip=torch.tensor(lower_lip),
        from_corner=2.5 - x.abs(),
        jaw_drop=torch.tensor(jaw_drop),
    )
    return draw_mouth(place, light, 0.05, torch.tensor(lower), tooth_colour(light[:, None, None], limit))


def test_upper_teeth_are_bright_and_the_cavity_is_dark():
    colours, tooth = draw()
    assert colours.min() >= 0 and colours.max() <= 1
    incisor, behind = colours[:, 10, 50], colours[:, 26, 50]
    assert tooth[10, 50] > 0.95 and tooth[26, 50] < 0.05
    assert incisor.mean() > 2.5 * behind.mean()
    assert incisor.mean() > 0.7 * LIGHT.mean()


def test_teeth_darken_towards_the_corners_and_stand_symmetrically():
    colours, _ = draw()
    row = colours[:, 8].mean(0)
    assert torch.allclose(row, row.flip(0), atol=1e-4)
    assert row[88] < 0.85 * row[54]


def test_lower_teeth_move_with_the_jaw_and_can_be_left_out():
    def lowest_bright(drop):
        column = draw(drop, lower_lip=-1.0)[0][:, :, 50].mean(0)
        return int((column[20:] > 0.3).nonzero().min()) + 20

    assert lowest_bright(-2.2) > lowest_bright(-1.2) + 10
    with_teeth, without = draw(-1.5)[0], draw(-1.5, lower=0.0)[0]
    assert (with_teeth - without)[:, 35:].max() > 0.15


def test_a_drawn_mouth_follows_the_light_of_the_face():
    assert draw(light=0.5 * LIGHT)[0].mean() < 0.8 * draw()[0].mean()


def test_a_smiling_photo_shows_its_inside(source):
    assert shows_inside(source.shape) == 1
    assert source.mouth_inside[3].max() > 0.95
    shut = source.shape.clone()
    shut[14] = shut[13]
    assert lip_opening(shut) == 0 and shows_inside(shut) == 0


@pytest.mark.parametrize("size", [256, 512])
def test_own_teeth_stay_where_they_are_while_the_jaw_opens(source, own, turn, directions, size):
    """The middle of the upper teeth has the photo's colour, however far the mouth opens."""
    renderer = WarpRenderer(source, size)
    still = renderer.render(coefficient_motion(source, directions, own, source.gaze)).images[0]
    motion = coefficient_motion(source, directions, turn(jawOpen=0.4), source.gaze)
    opened = renderer.render(motion).images[0]
    lips = plane_to_output(source.placement.place(source.shape[None])[0], renderer.to_output)[list(LIP_RING), :2]
    x, y = (int(value) for value in (0.6 * lips[5] + 0.4 * lips[15]))  # 13 and 14: inner lips' middles
    reach = size // 64
    patch = (slice(None), slice(y - reach // 2, y + reach // 2), slice(x - reach, x + reach))
    assert (still[patch] - opened[patch]).abs().mean() < 0.05
    below = plane_to_output(motion.placement.place(source.shape + motion.change)[0], renderer.to_output)[14, :2]
    dark = opened[:, int(below[1]) - reach, int(below[0])]
    assert dark.mean() < still[patch].mean() - 0.5


def test_teeth_are_never_brighter_than_their_limit():
    colours, tooth = draw(limit=torch.tensor(0.4))
    assert tooth.max() > 0.95
    assert colours.mean(0).max() < 0.44  # the gleam of wet teeth included
    assert draw()[0].mean(0).max() > 0.55


def test_lower_teeth_stand_only_a_little_out_of_the_lower_lip():
    """However far the lip has left the jaw: from row 40 to 65 on y falls from -1.7 to -3 cm."""
    free, hidden = (draw(-1.5, lower_lip=lip)[0][:, 46:52, 50].mean() for lip in (-1.5, -3.0))
    assert free > hidden + 0.15


def test_the_gum_is_lower_between_two_teeth_than_above_each():
    colours = draw(top=1.0)[0]
    redness = (colours[0] - colours[1])[:20]  # above the edge of the teeth, 0.06 cm a row
    height = (redness > 0.15).float().sum(0)
    middle_of_first, between_first_two = 50 + round(0.43 / 0.05), 50 + round(0.83 / 0.05)
    assert height[between_first_two] >= height[middle_of_first] + 1


def test_the_cheek_shows_behind_the_corners_of_the_lips():
    colours = draw(lower=0.0)[0].mean(0)
    assert colours[24, 5] > colours[24, 25] + 0.02  # beside the tongue and below the teeth


def test_lips_that_meet_hide_the_last_rim_of_teeth(source, turn, directions):
    renderer = WarpRenderer(source, 256)
    values = {name: 0.0 for name in EXPRESSION_NAMES if name.startswith(("mouth", "jaw"))}
    motion = coefficient_motion(source, directions, turn(**values), source.gaze)
    frame = renderer.render(motion).images[0]
    points = plane_to_output(motion.placement.place(source.shape + motion.change)[0], renderer.to_output)
    x, y = (int(round(float(value))) for value in points[13, :2])
    seam, lip = frame[:, y, x - 8 : x + 8].mean(), frame[:, y + 4 : y + 7, x - 8 : x + 8].mean()
    assert seam < lip - 0.2


def test_dark_open_mouth_gets_teeth_as_its_upper_lip_rises(source, own, directions):
    """They end where the photo showed the dark, and the lip uncovers them."""
    dark = source.mouth_inside.clone()
    dark[:3] = 0.05
    source = replace(source, mouth_inside=dark)
    renderer = WarpRenderer(source, 256)
    motion = coefficient_motion(source, directions, own, source.gaze)
    change = motion.change.clone()
    change[:, list(LIP_RING[1:10]), 1] += 0.6  # cm, the upper lip
    image = renderer.render(replace(motion, change=change)).images[0].mean(0)
    points = plane_to_output(motion.placement.place(source.shape + change)[0], renderer.to_output)
    before = plane_to_output(source.placement.place(source.shape[None])[0], renderer.to_output)
    x, lip, edge = int(points[13, 0]), int(points[13, 1]), int(before[13, 1])
    assert edge - lip >= 4
    assert image[lip + 2 : edge - 1, x].mean() > image[edge + 3 : edge + 7, x].mean() + 0.5
