"""Several faces of a clip: who keeps which number, who moves, and what stays as it was."""

from itertools import count

import pytest
import torch

from diffusionact import DiffusionActPipeline, PoseOptions, images
from diffusionact.demo import __path__ as demo
from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.readers.tracks import FaceTracks, head_colours
from diffusionact.pipelines.group_clip import OWN, ClipCast, stream_group_clip
from diffusionact.pipelines.source_video import FrameEdit, motion_driver, no_driver
from diffusionact.video import open_frames

SIDE = 240
LEFT, RIGHT = (slice(None), slice(0, 220)), (slice(None), slice(260, None))


def boxes(*lefts):
    """Corners of squares of 40 px at these positions."""
    return torch.tensor([[[left, 10.0], [left + 40.0, 50.0]] for left in lefts])


def looks(*levels):
    return torch.tensor(levels)[:, None].expand(-1, 27)


def test_numbers_stay_with_people_who_pass_each_other():
    tracks = FaceTracks()
    for step in range(11):
        dark, bright = 10.0 * step, 100.0 - 10.0 * step
        order = (1, 0) if step % 2 else (0, 1)  # who is the larger one changes
        points, colours = boxes(dark, bright)[list(order)], looks(0.2, 0.7)[list(order)]
        assert tracks.assign(points, colours) == list(order)


def test_who_comes_back_keeps_the_number_and_strangers_get_new_ones():
    tracks = FaceTracks()
    assert tracks.assign(boxes(0, 100), looks(0.2, 0.7)) == [0, 1]
    for _ in range(40):
        assert tracks.assign(boxes(0), looks(0.2)) == [0]
    assert list(tracks.present()) == [0]
    assert tracks.assign(boxes(0, 400), looks(0.2, 0.4)) == [0, 2]
    assert tracks.assign(boxes(0, 250, 400), looks(0.2, 0.72, 0.4)) == [0, 1, 2]


def test_colours_of_heads_beyond_the_frame_are_read():
    frame = torch.zeros(64, 64, 3, dtype=torch.uint8)
    frame[:, 32:] = 255
    found = head_colours(frame, boxes(-100, -20, 10, 200))
    assert found.shape == (4, 27)
    assert found[0].max() == 0 and found[3].min() == 1 and 0 < found[2].mean() < 1


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline.from_pretrained("photo")


@pytest.fixture(scope="module")
def clip(portrait):
    """The bundled driver on the left, a still portrait, somewhat smaller, on the right; absent in the second frame."""

    def at(photo, side):
        return images.model_to_uint8(images.resize(images.uint8_to_model(photo[None]), side))[0]

    moving = open_frames(f"{demo[0]}/media/photo_driving.mp4")
    frames = []
    for index, frame in zip(range(3), moving, strict=False):
        canvas = torch.full((SIDE, 2 * SIDE, 3), 120, dtype=torch.uint8)
        canvas[:, :SIDE] = at(frame, SIDE)
        if index != 1:
            canvas[40:200, SIDE + 40 : 2 * SIDE - 40] = at(portrait, 160)
        frames.append(canvas)
    return frames


def change(one, other, part):
    """Mean of the largest channel's difference, grey levels."""
    return float((one[part].float() - other[part].float()).abs().amax(-1).mean())


def right_face(pipeline, clip):
    return int(pipeline.face_reader.faces_in(clip[0])[:, 0].argmax())


@pytest.mark.slow
def test_a_face_that_leaves_comes_back_to_its_own_driver(pipeline, clip):
    cast = ClipCast.of(pipeline, clip[0], [f"{right_face(pipeline, clip)}=talk"])
    asked = []
    talk = ({"jawOpen": asked.append(index) or 0.4 * index} for index in count())
    drivers = {"talk": motion_driver(pipeline.face_reader.face_model, talk)}
    made = list(stream_group_clip(pipeline, clip, cast, drivers, keeps_head=True))
    assert [frame.found for frame in made] == [True, False, True] and asked == [0, 1, 2]
    assert torch.equal(made[1].image, clip[1])
    for frame, given in zip(made, clip, strict=True):
        assert torch.equal(frame.image[LEFT], given[LEFT]), "who is not named stays, to the last bit"
    assert change(made[2].image, clip[2], RIGHT) > 2 * change(made[0].image, clip[0], RIGHT)


@pytest.mark.slow
def test_edits_and_still_mouths_change_all_faces(pipeline, clip):
    cast = ClipCast.of(pipeline, clip[0], ["0=laugh", f"all={OWN}"])
    assert cast.drivers == [OWN], "the later word counts"
    stream = stream_group_clip(
        pipeline, clip[:1], cast, {OWN: no_driver()}, PoseOptions(), 25.0, FrameEdit(mouth_gain=2.0), keeps_head=True
    )
    loud = next(stream).image
    assert change(loud, clip[0], LEFT) > 0.3
    right = ClipCast.of(pipeline, clip[0], [f"{right_face(pipeline, clip)}={OWN}"])
    stilled = stream_group_clip(pipeline, clip[:1], right, {OWN: no_driver()}, keeps_head=True, stillness=[1.0])
    assert change(loud, next(stilled).image, RIGHT) > 0.3


@pytest.mark.slow
def test_a_face_that_never_comes_is_missed(pipeline, clip):
    cast = ClipCast.of(pipeline, clip[0], ["7=own"])
    with pytest.raises(NoFaceFoundError, match=r"the faces \[7\]"):
        list(stream_group_clip(pipeline, clip[:1], cast, {OWN: no_driver()}))
    with pytest.raises(ValueError, match="FACE=WHAT"):
        ClipCast.of(pipeline, clip[0], ["7="])
