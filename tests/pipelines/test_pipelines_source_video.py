"""A clip as the source: what comes back, what is taken, and what becomes of drivers and faces that end."""

from itertools import islice

import pytest
import torch

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.demo import __path__ as demo
from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.pose.editing import PoseMix, source_pose
from diffusionact.generation import Sampling
from diffusionact.pipelines.source_video import (
    ENDS,
    FrameEdit,
    edited_frame,
    extended,
    face_driver,
    motion_driver,
    no_driver,
    stream_source_video,
)
from diffusionact.video import open_frames

pytestmark = pytest.mark.slow
ALL = PoseMix(gaze=1.0, brows=1.0, eyes=1.0, mouth=1.0)
HOW = PoseOptions()


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline.from_pretrained("photo")


@pytest.fixture(scope="module")
def clip():
    return list(islice(open_frames(f"{demo[0]}/media/photo_driving.mp4"), 2))


def psnr(one, other):
    return float(10 * torch.log10(255.0**2 / (one.float() - other.float()).square().mean()))


def test_a_clip_that_drives_itself_comes_back(pipeline, clip):
    blank = torch.full_like(clip[0], 90)
    frames = [clip[0], blank, clip[1]]
    driver = face_driver(pipeline, pipeline.face_reader.read(iter(frames), HOW, 25.0), HOW, ALL)
    made = list(stream_source_video(pipeline, frames, driver, HOW, keeps_head=True))
    assert [frame.found for frame in made] == [True, False, True]
    assert torch.equal(made[1].image, blank)
    assert psnr(made[0].image, clip[0]) > 40
    assert psnr(made[2].image, clip[1]) > 38, "smoothed across the gap"


def test_only_what_is_taken_moves(pipeline, clip):
    motion = motion_driver(pipeline.face_reader.face_model, [{"jawOpen": 0.5}])
    made = [frame.image for frame in stream_source_video(pipeline, clip, motion, keeps_head=True)]
    assert len(made) == 1, "the motion ends first"
    box = pipeline.face_reader.faces_in(clip[0])[0].int().tolist()
    middle = (box[1] + box[3]) // 2
    change = (made[0].float() - clip[0].float()).abs()
    assert change[middle : box[3], box[0] : box[2]].mean() > 5
    assert change[:middle].mean() < 1


@pytest.mark.parametrize(
    ("end", "expected"),
    [("stop", "abc"), ("hold", "abcccccc"), ("loop", "abcabcab"), ("ping-pong", "abcbabcb")],
)
def test_a_short_driver_ends_as_asked(end, expected):
    assert end in ENDS
    assert "".join(islice(extended(iter("abc"), end), 8)) == expected


def test_edits_change_gaze_lids_and_mouth_alone(pipeline, clip):
    source = pipeline.encode_source(clip[0])
    model = pipeline.face_reader.face_model
    own = source_pose(model, source)
    assert edited_frame(model, own, FrameEdit()) is own
    edited = edited_frame(model, own, FrameEdit(eye_contact=1.0, blink_gain=0.0, mouth_gain=0.0))
    by_name = dict(zip(EXPRESSION_NAMES, edited.expression[0].tolist(), strict=True))
    assert by_name["jawOpen"] == by_name["mouthSmileLeft"] == by_name["eyeBlinkLeft"] == 0
    brow = EXPRESSION_NAMES.index("browInnerUp")
    assert edited.expression[0, brow] == own.expression[0, brow]
    expected = torch.deg2rad(0.8 * own.head_pose[:, [1, 0]])
    torch.testing.assert_close(edited.gaze, expected, atol=1e-4, rtol=0)


def test_other_engines_are_pasted_back(tiny_model_folder, clip):
    tiny = DiffusionActPipeline.from_pretrained(tiny_model_folder)
    made = list(stream_source_video(tiny, clip[:1], no_driver(), sampling=Sampling(2), num_inversion_steps=2))
    assert made[0].image.shape == clip[0].shape
    assert torch.equal(made[0].image[:8], clip[0][:8]), "beyond the face the frame stays"
    assert not torch.equal(made[0].image, clip[0])
