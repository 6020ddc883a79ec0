"""A photo whose edge cuts off hair, shoulders and background goes on beyond it."""

import pytest
import torch

from diffusionact.warping import prepare_source, read_face, with_matte
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.sampling import apply, sample

# Of NASA's portrait, px: where its hair ends, through the hair, through the forehead, and her head's middle column.
TOP, HAIR, FOREHEAD, MIDDLE = 15, 42, 86, 222


@pytest.fixture(scope="module")
def taken_apart(photo, landmarker, face_model):
    """The portrait from a row on, before and after the person was cut out of it."""
    preparer, made = PhotoPreparer(), {}

    def prepared(row):
        if row not in made:
            part = photo[row:].contiguous()
            face = read_face(part, landmarker, face_model)
            bare, matte = prepare_source(part, face), preparer.cut_out(part, face.mesh)
            made[row] = bare, with_matte(bare, matte.alpha, matte.foreground, matte.background)
        return made[row]

    return prepared


def shown(source, layer, row, *places):
    """Values (C, N) of a layer at px (x, y) of the whole portrait, of a source that begins at a row of it."""
    points = torch.tensor([[x, y - row] for x, y in places], dtype=torch.float32)
    return sample(getattr(source, layer), apply(source.to_grid, apply(source.aligned, points)))


@pytest.mark.parametrize("row", [HAIR, FOREHEAD])
def test_a_head_that_the_edge_cuts_closes_about_where_it_really_ends(taken_apart, row):
    _, source = taken_apart(row)
    above = [(MIDDLE, y) for y in (row - 6, TOP - 40)]
    assert (shown(source, "matte", row, *above)[0] > 0.5).tolist() == [True, False]


def test_the_photo_itself_shows_the_closed_head_before_its_background(taken_apart, photo):
    _, source = taken_apart(HAIR)
    behind, hair = (
        photo[HAIR, 120:140].float().mean(0) / 255,
        photo[HAIR, MIDDLE - 10 : MIDDLE + 10].float().mean(0) / 255,
    )
    above = shown(source, "texture", HAIR, (MIDDLE, TOP - 35))[:, 0]
    assert (above - behind).norm() < 0.5 * (above - hair).norm()


def test_beside_the_head_no_person_goes_on(taken_apart):
    _, source = taken_apart(HAIR)
    assert shown(source, "matte", HAIR, (120, HAIR - 10), (330, HAIR - 10)).max() < 0.1


def test_hair_goes_on_above_a_cut_forehead(taken_apart, photo):
    _, source = taken_apart(FOREHEAD)
    hair, skin = (
        photo[rows, MIDDLE - 20 : MIDDLE + 20].float().mean((0, 1)) / 255 for rows in (slice(30, 60), slice(86, 92))
    )
    beyond = shown(source, "texture", FOREHEAD, *((x, FOREHEAD - 25) for x in range(MIDDLE - 20, MIDDLE + 20, 4))).mean(
        1
    )
    assert (beyond - hair).norm() < (beyond - skin).norm()


def test_within_the_photo_nothing_changes(taken_apart):
    bare, source = taken_apart(HAIR)
    within = source.inside.expand_as(source.texture) == 1
    assert torch.equal(source.texture[within], bare.texture[within])
    assert torch.equal(source.inside, bare.inside)


def test_nothing_beyond_is_trusted(taken_apart):
    _, source = taken_apart(HAIR)
    assert source.background_seen[source.inside == 0].max() == 0


def test_drawn_hair_has_strands(taken_apart):
    _, source = taken_apart(FOREHEAD)
    row = [(x, FOREHEAD - 50) for x in range(MIDDLE - 25, MIDDLE + 25)]
    assert shown(source, "texture", FOREHEAD, *row).mean(0).diff().abs().mean() > 0.004


def test_drawn_strands_of_bright_hair_stay_colours(taken_apart, photo):
    bare, _ = taken_apart(FOREHEAD)
    height, width = photo.shape[0] - FOREHEAD, photo.shape[1]
    stripes = (0.7 + 0.3 * (torch.arange(width) % 16 < 12)).expand(1, 3, height, width)
    whole = with_matte(bare, torch.ones(1, 1, height, width), stripes, stripes)
    assert whole.colour.min() >= 0 and whole.colour.max() <= 1
