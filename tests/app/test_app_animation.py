"""Jobs of the app's shared model with a tiny model: progress, stopping, broken videos, costs, turns, folders."""

import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import av
import pytest
import torch

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.face.errors import NoFaceFoundError  # noqa: E402
from diffusionact.face.geometry.alignment import transform_points  # noqa: E402
from diffusionact.face.paste_back import shrunk_source  # noqa: E402
from diffusionact.face.pose.editing import PoseEdit  # noqa: E402
from diffusionact.generation import Sampling  # noqa: E402
from diffusionact.images import load_image  # noqa: E402
from diffusionact.types import CropTransform  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact_app.animation import AnimateJob, animate  # noqa: E402
from diffusionact_app.jobs import STOP_NAME  # noqa: E402
from diffusionact_app.motions import motion_clip  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402
from diffusionact_app.status import progress_html  # noqa: E402
from diffusionact_app.vision import face_at, mark_faces  # noqa: E402

TWO_STEPS = Sampling(2, "ddim")


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    return SharedModel(DiffusionActPipeline.from_pretrained(tiny_model_folder), "tiny")


@pytest.fixture
def job(source_file, driving_file, tmp_path):
    return AnimateJob(
        source=source_file, driving=open_frames(driving_file), folder=tmp_path, sampling=TWO_STEPS, frames=3
    )


def frames_of(path) -> list:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_job_reports_every_frame_and_leaves_two_videos(model, job):
    told = list(animate(model, job))
    frames = [p for p in told if p.preview is not None]
    assert [p.stage for p in frames] + [told[-1].stage] == ["rendering"] * 3 + ["done"]
    assert [p.done for p in frames] == [1, 2, 3]
    assert all(p.preview.shape == (256, 768, 3) for p in frames)
    assert (told[-1].full_frame, told[-1].side_by_side) == (
        job.folder / "full_frame.mp4",
        job.folder / "side_by_side.mp4",
    )
    assert [(frame.width, frame.height) for frame in frames_of(told[-1].full_frame)] == [(256, 256)] * 3
    assert sorted(path.name for path in job.folder.iterdir()) == ["full_frame.mp4", "side_by_side.mp4"]


def test_a_motion_takes_the_place_of_the_video(model, job):
    clip = motion_clip("nod", 4)
    told = list(animate(model, replace(job, driving=clip, frames=10)))
    assert (told[-1].stage, told[-1].done) == ("done", 4)
    assert told[-2].preview.shape == (256, 768, 3)
    assert len(frames_of(told[-1].side_by_side)) == 4


def test_job_reports_every_step_of_a_chunk_before_its_frames(model, job):
    model.costs.step = 1e-4  # all frames in one chunk
    told = [p for p in animate(model, job) if p.stage == "rendering"]
    steps = [p for p in told if p.preview is None]
    assert [(p.done, p.rendered) for p in steps] == [(0, 1.5), (0, 3.0)]
    assert told[:2] == steps
    assert "Rendering the first frames" in progress_html(steps[0])
    assert 'aria-valuenow="50"' in progress_html(steps[0])


def test_stopping_inside_the_first_chunk_leaves_nothing(model, job):
    told = []
    for progress in animate(model, job):
        told.append(progress)
        if progress.rendered:
            (job.folder / STOP_NAME).touch()
    assert told[-1].stage == "stopped" and told[-1].done == 0 and told[-1].side_by_side is None
    assert told[-1].rendered < 3
    assert "Stopped" in progress_html(told[-1])
    assert [path.name for path in job.folder.iterdir()] == [STOP_NAME]


def test_source_is_encoded_once(tiny_model_folder, job):
    model = SharedModel(DiffusionActPipeline.from_pretrained(tiny_model_folder))
    assert not model.is_encoded(job.source)
    first = [p for p in animate(model, job) if p.stage == "encoding"]
    assert first[-1].done == first[-1].total == 4
    assert model.is_encoded(job.source)
    assert len([p for p in animate(model, job) if p.stage == "encoding"]) == 1


def test_stop_file_ends_a_job_with_the_frames_so_far(model, job):
    told = []
    for progress in animate(model, replace(job, frames=50)):
        told.append(progress)
        if progress.done == 2 and progress.preview is not None:
            (job.folder / STOP_NAME).touch()
    assert told[-1].stage == "stopped" and told[-1].done == 2
    assert len(frames_of(told[-1].side_by_side)) == 2


def test_job_ends_when_its_folder_is_gone(model, job):
    running = animate(model, replace(job, frames=50))
    list(islice(running, 1))
    shutil.rmtree(job.folder)
    told = []
    with suppress(OSError):  # there is no folder for the videos
        told += [progress for progress in running if progress.preview is not None]
    assert len(told) <= 1


def test_job_given_up_in_the_middle_leaves_nothing(model, job):
    running = animate(model, job)
    list(islice((p for p in running if p.preview is not None), 1))
    running.close()
    assert list(job.folder.iterdir()) == []


def test_video_that_breaks_in_the_middle_gives_the_frames_before(model, job, tmp_path):
    clip = tmp_path / "frames"
    clip.mkdir()
    good = job.source.read_bytes()
    for index in range(4):
        (clip / f"{index}.png").write_bytes(good if index < 3 else good[:2000])
    model.costs.step = 10.0  # one frame a chunk
    *_, last = animate(model, replace(job, driving=open_frames(clip), frames=9, folder=tmp_path))
    assert last.stage == "broken" and last.done == 3
    assert "3.png" in last.reason
    assert len(frames_of(last.full_frame)) == 3


def test_image_without_a_face_raises_and_writes_nothing(model, job, faceless_file):
    with pytest.raises(NoFaceFoundError, match="Source"):
        list(animate(model, replace(job, source=faceless_file)))
    assert list(job.folder.iterdir()) == []


def test_large_source_is_shrunk_together_with_its_crop():
    image = torch.zeros(300, 600, 3, dtype=torch.uint8)
    crop = CropTransform(torch.tensor([[[0.5, 0.0, -20.0], [0.0, 0.5, -10.0]]]), 64)
    small, small_crop = shrunk_source(image, crop, 200)
    assert small.shape == (100, 200, 3)
    point = torch.tensor([[[299.0, 149.0]]])
    same = (point + 0.5) / 3 - 0.5
    assert torch.allclose(transform_points(crop.matrix, point), transform_points(small_crop.matrix, same), atol=1e-4)


def test_edit_changes_the_image_and_no_edit_is_the_same_each_time(model, source_file):
    plain, again = (model.edit(source_file, "largest", PoseEdit(), Sampling(2, "dpm")).after for _ in range(2))
    turned = model.edit(source_file, "largest", PoseEdit(yaw=20.0), Sampling(2, "dpm")).after
    assert torch.equal(plain, again)
    assert not torch.equal(plain, turned)


def test_both_faces_are_marked_and_a_click_tells_which(model, two_faces_file):
    found = mark_faces(model, load_image(two_faces_file), "largest")
    assert found.image.size == (640, 320)
    boxes = found.boxes.tolist()
    assert [face_at(boxes, *point) for point in ((160, 170), (500, 150), (330, 10))] == [0, 1, None]


def test_work_is_done_in_order_of_arrival():
    from diffusionact_app.fair_lock import FairLock

    turns, order, arrived = FairLock(), [], threading.Event()

    def late(name):
        arrived.set()
        with turns:
            order.append(name)

    threads = []
    with turns:
        for name in "abc":
            arrived.clear()
            threads.append(threading.Thread(target=late, args=name))
            threads[-1].start()
            arrived.wait()
            time.sleep(0.05)
        order.append("first")
    for thread in threads:
        thread.join()
    assert order == ["first", "a", "b", "c"]


def test_estimates_follow_what_was_measured():
    from diffusionact_app.costs import CostModel, in_words

    costs = CostModel(step=0.1, reading=0.1)
    assert costs.estimate(frames=10, steps=5, encode_steps=20) == pytest.approx(2.0 + 10 * 0.6)
    for _ in range(30):
        costs.learn_frames(seconds=12.0, frames=10, steps=5)
    assert costs.frame(5) == pytest.approx(1.2, rel=1e-3)
    assert costs.chunk_size(5) == 1 and CostModel(0.001, 0.001).chunk_size(5) == 8
    assert [in_words(seconds) for seconds in (0.2, 59.4, 60, 125, 7500)] == [
        "1 s", "59 s", "1 min", "2 min 5 s", "2 h 5 min",
    ]  # fmt: skip


def test_steps_that_never_were_teach_nothing():
    from diffusionact_app.costs import CostModel

    costs = CostModel(step=0.1)
    costs.learn_steps(seconds=5.0, steps=0)
    assert costs.step == 0.1
    costs.learn_steps(seconds=2.0, steps=10)
    assert 0.1 < costs.step < 0.2


def test_warm_up_measures_steps_and_reading(tiny_model_folder):
    model = SharedModel(DiffusionActPipeline.from_pretrained(tiny_model_folder))
    guessed = model.costs.step, model.costs.reading
    model.warm_up()
    assert 0 < model.costs.step != guessed[0]
    assert 0 < model.costs.reading != guessed[1]


def test_folders_go_with_their_session_or_with_age(tmp_path):
    from diffusionact_app.sessions import Sessions

    now = [0.0]
    sessions = Sessions(tmp_path / "results", keep_seconds=60, clock=lambda: now[0])
    mine, yours = sessions.new_folder("me"), sessions.new_folder("you")
    sessions.stop("me")
    assert (mine / STOP_NAME).exists() and not (yours / STOP_NAME).exists()
    sessions.close("me")
    assert not mine.exists() and yours.exists()
    now[0] = 50
    sessions.keep("you")
    sessions.new_folder("me")
    now[0] = 100
    sessions.new_folder("me")
    assert yours.exists()
    now[0] = 111
    sessions.new_folder("me")
    assert not yours.exists()
    sessions.keep("you")


@pytest.mark.parametrize("stamp", [0, 2**32])
def test_clock_that_is_set_takes_no_results_away(tmp_path, stamp):
    from diffusionact_app.sessions import Sessions

    now = [0.0]
    sessions = Sessions(tmp_path / "results", keep_seconds=60, clock=lambda: now[0])
    kept = sessions.new_folder("me")
    os.utime(kept, (stamp, stamp))  # as if it had been made long ago, or in the future
    sessions.new_folder("you")
    assert kept.exists()
    now[0] = 61
    sessions.new_folder("you")
    assert not kept.exists()
