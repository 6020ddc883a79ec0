"""The wired pack in a real ComfyUI: results, cache, queue, interruption, memory."""

import numpy as np
import pytest
from clips import FRAME_RATE, SavedVideo, decode, head_yaw_deg, write_driver
from graphs import reenactment

FRAMES = 12


@pytest.fixture(scope="module")
def driver(comfyui_server) -> str:
    """A short driver with much motion, in the input folder."""
    return write_driver(comfyui_server.server.base / "input" / "driver.mp4", FRAMES, every=8).name


@pytest.fixture(scope="module")
def long_driver(comfyui_server) -> str:
    return write_driver(comfyui_server.server.base / "input" / "long.mp4", 100).name


def test_a_driven_video_has_the_drivers_frames_rate_sound_and_motion(comfyui_server, driver):
    run = comfyui_server.run(reenactment(comfyui_server, driver, steps=6).prompt)
    assert run.status == "success", run.error
    video = SavedVideo.read(run.files["save"][0])
    assert len(video.frames) == FRAMES
    assert video.frame_rate == pytest.approx(FRAME_RATE, abs=0.001)  # ComfyUI writes the rate rounded to 1/1000
    assert video.sound_seconds == pytest.approx(float(FRAMES / FRAME_RATE), abs=0.05)
    assert video.frames.mean() > 40 and video.frames.std() > 20
    asked = head_yaw_deg(decode(comfyui_server.server.base / "input" / driver))
    assert np.corrcoef(asked, head_yaw_deg(video.frames))[0, 1] > 0.9


def test_progress_and_previews_come_while_it_runs(comfyui_server, driver):
    run = comfyui_server.run(reenactment(comfyui_server, driver, steps=7).prompt)
    assert run.previews > 0
    assert run.progress["decode"] == sorted(run.progress["decode"])
    assert run.progress["decode"][-1] == 1


def test_changing_decode_steps_encodes_and_tracks_nothing_again(comfyui_server, driver):
    comfyui_server.run(reenactment(comfyui_server, driver, steps=2).prompt)
    second = comfyui_server.run(reenactment(comfyui_server, driver, steps=3).prompt)
    assert second.executed == ["decode", "save"]
    third = comfyui_server.run(reenactment(comfyui_server, driver, steps=3).prompt)
    assert third.executed == []


def test_two_queued_prompts_both_finish(comfyui_server, driver):
    prompts = [reenactment(comfyui_server, driver, steps=steps).prompt for steps in (4, 5)]
    runs = [comfyui_server.wait(name) for name in [comfyui_server.queue(prompt) for prompt in prompts]]
    assert [run.status for run in runs] == ["success", "success"]
    assert runs[0].files["save"] != runs[1].files["save"]


def test_cancel_stops_decode_between_steps_and_the_next_run_is_whole(comfyui_server, driver, long_driver):
    name = comfyui_server.queue(reenactment(comfyui_server, long_driver, steps=100).prompt)
    run = comfyui_server.runs[name]
    comfyui_server.wait_for(lambda: run.progress.get("decode"))
    comfyui_server.interrupt()
    assert comfyui_server.wait(name).status == "interrupted"
    assert run.progress["decode"][-1] < 0.25
    assert comfyui_server.run(reenactment(comfyui_server, driver, steps=2).prompt).status == "success"


def test_unloading_frees_the_model_and_the_next_run_loads_it_again(comfyui_server, driver):
    comfyui_server.run(reenactment(comfyui_server, driver, steps=2).prompt)
    comfyui_server.free()
    run = comfyui_server.run(reenactment(comfyui_server, driver, steps=2).prompt)
    assert run.status == "success"
    assert "model" in run.executed and "source" in run.executed
