"""Jobs whose source is a clip or a group, with a tiny model: frames, sound, progress, stopping."""

import multiprocessing
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.face.pose.editing import PoseMix  # noqa: E402
from diffusionact.generation import Sampling  # noqa: E402
from diffusionact.pipelines.group_clip import ClipCast  # noqa: E402
from diffusionact.pipelines.source_video import FrameEdit  # noqa: E402
from diffusionact.video import VideoWriter, open_frames  # noqa: E402
from diffusionact_app.clip_job import ClipJob, taken  # noqa: E402
from diffusionact_app.group_clip_job import GroupClipJob  # noqa: E402
from diffusionact_app.group_job import GroupJob  # noqa: E402
from diffusionact_app.jobs import STOP_NAME, Sound  # noqa: E402
from diffusionact_app.rendering import estimate, gpu_work, render  # noqa: E402
from diffusionact_app.scene_panels import ScenePanels, fitted, played  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402

TWO_STEPS = Sampling(2, "ddim")


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    return SharedModel(DiffusionActPipeline.from_pretrained(tiny_model_folder), "tiny")


@pytest.fixture(scope="module")
def clip(driving_file, tmp_path_factory):
    """The first three frames of the demo's driver."""
    path, whole = tmp_path_factory.mktemp("clip") / "three.mp4", open_frames(driving_file)
    with VideoWriter(path, Fraction(25), whole.size) as writer:
        for frame in islice(whole, 3):
            writer.write(frame)
    return open_frames(path)


def test_a_clip_takes_a_looped_driver(model, clip, tmp_path):
    driving = open_frames(clip.path, end=0.08)
    job = ClipJob(clip, tmp_path, driving, mix=taken(["lips"]), sampling=TWO_STEPS, output_side_px=128)
    assert job.total == 2 and replace(job, driver_end="loop").total == 3
    told = list(render(model, replace(job, driver_end="loop")))
    assert [p.done for p in told if p.preview is not None] == [1, 2, 3] and told[-1].stage == "done"
    assert told[-2].preview.shape == (128, 3 * 128, 3)
    assert [tuple(frame.shape) for frame in open_frames(told[-1].full_frame)] == [(128, 128, 3)] * 3
    assert estimate(model, job) > 0 and gpu_work(model, job) == (2, model.encode_steps + 2, 0)
    here, there = multiprocessing.Pipe()
    here.send(job)
    assert there.recv() == job


def test_a_clip_that_is_stopped_keeps_its_frames(model, clip, tmp_path):
    told = []
    for progress in render(model, ClipJob(clip, tmp_path, edit=FrameEdit(eye_contact=1.0), sampling=TWO_STEPS)):
        told.append(progress)
        if progress.done == 1:
            (tmp_path / STOP_NAME).touch()
    assert (told[-1].stage, told[-1].done) == ("stopped", 1)
    assert len(list(open_frames(told[-1].side_by_side))) == 1


def test_sound_is_the_drivers_where_its_lips_are_taken(clip, tmp_path):
    loud = replace(clip, has_audio=True)
    job = ClipJob(loud, tmp_path, replace(loud, path=tmp_path), sound="auto")
    driver, source = Sound(tmp_path, clip.begin), Sound(clip.path, clip.begin)
    assert job.heard == driver and replace(job, mix=PoseMix(eyes=1.0)).heard == source
    assert replace(job, sound="source").heard == source and replace(job, sound="none").heard == Sound()
    assert replace(job, driving=clip).heard == source and replace(job, motion="nod").heard == source


def test_a_mouth_rests_in_silence_where_there_is_sound(model, clip, tmp_path):
    with pytest.raises(ValueError, match="Expected sound for a still mouth"):
        ClipJob(clip, tmp_path, still_when_silent=True)
    path = tmp_path / "silent.mp4"
    with av.open(str(clip.path)) as images, av.open(str(path), "w") as output:
        stream, sound = images.streams.video[0], output.add_stream("aac", rate=16_000, layout="mono")
        copy = output.add_stream_from_template(stream)
        for packet in images.demux(stream):
            if packet.size:
                packet.stream = copy
                output.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        silence.sample_rate = 16_000
        output.mux([*sound.encode(silence), *sound.encode(None)])
    job = ClipJob(open_frames(path), tmp_path, still_when_silent=True, sampling=TWO_STEPS, output_side_px=128)
    assert [p.done for p in render(model, job) if p.preview is not None] == [1, 2, 3]
    assert list(islice(job.stillness, 3)) == [1.0, 1.0, 1.0]


def test_faces_of_a_group_move_and_the_rest_stays(model, clip, two_faces_file, tmp_path):
    job = GroupJob(two_faces_file, tmp_path, {1: "clip"}, {"clip": clip}, sampling=TWO_STEPS, output_side_px=320)
    assert job.total == 3 and gpu_work(model, job)[0] == 3
    told = list(render(model, replace(job, frames=2)))
    assert told[0].stage == "encoding" and (told[-1].stage, told[-1].done) == ("done", 2)
    frames = list(open_frames(told[-1].full_frame))
    assert frames[0].shape == (160, 320, 3)
    assert (frames[0][:, :150].float() - frames[1][:, :150].float()).abs().max() <= 2
    assert replace(job, drivers={0: "nod"}, clips={}, seconds=0.2).total == 5


def test_faces_of_a_clip_change_and_the_rest_stays(model, clip, two_faces_clip, tmp_path):
    source, driving = open_frames(two_faces_clip), open_frames(clip.path, frame_rate=Fraction(2))
    cast = ClipCast({1: "clip"})
    job = GroupClipJob(source, tmp_path, cast=cast, clips={"clip": driving}, mix=taken(["lips"]), sampling=TWO_STEPS)
    held = replace(job, driver_end="hold")
    assert (job.total, held.total, job.moves_heads) == (1, 2, False)
    assert replace(job, cast=ClipCast({0: "laugh"}), clips={}).moves_heads
    assert estimate(model, replace(job, face_count=2)) == pytest.approx(2 * estimate(model, job))
    told = list(render(model, held))
    assert (told[-1].stage, told[-1].done) == ("done", 2)
    before, after = list(source)[0], list(open_frames(told[-1].full_frame))[0]
    changed = (before.float() - after.float()).abs()
    assert changed[100:220, 440:560].mean() > 3 * changed[:, :320].mean()


def test_panels_are_equally_high_and_not_too_wide():
    before, after = torch.zeros(720, 1280, 3, dtype=torch.uint8), torch.full((720, 1280, 3), 255, dtype=torch.uint8)
    assert ScenePanels((720, 1280))(before, after).shape == (432, 1536, 3)
    assert ScenePanels((720, 1280), iter([after]))(before, after).shape == (288, 512 + 288 + 512, 3)
    assert ScenePanels((512, 2048))(before, after).shape == (2 * 256, 1024, 3)
    assert fitted((100, 51), 200) == (100, 51) and fitted((1001, 501), 500) == (500, 250)


def test_a_driver_that_goes_back_and_forth_is_shown_so():
    frames = [torch.full((8, 8, 3), level, dtype=torch.uint8) for level in (0, 100, 200)]
    shown = [int(frame.float().mean()) for frame in islice(played(frames, "ping-pong", 16), 6)]
    assert shown == pytest.approx([0, 100, 200, 100, 0, 100], abs=3)
