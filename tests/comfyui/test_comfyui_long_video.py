"""The one-node way through a long VIDEO: exact rate, sound, and memory that does not grow with the clip."""

import pytest
from clips import FRAME_RATE, SavedVideo, write_driver
from graphs import Graph

SHORT, LONG = 40, 150
# 110 frames of 256 px as ComfyUI's float images would take 86 MB, the results of 128 px another 22 MB.
ALLOWED_GROWTH = 60_000_000


def reenact_video(client, frames: int) -> Graph:
    clip = write_driver(client.server.base / "input" / f"driver_{frames}.mp4", frames).name
    graph = Graph(client)
    model = graph.add("model", "DiffusionAct_LoadModel", model="demo")
    image = graph.add("photo", "LoadImage", image="source.png")
    video = graph.add("clip", "LoadVideo", file=clip)
    values = {"preset": "custom", "steps": 1, "inversion_steps": 2}
    graph.add("video", "DiffusionAct_ReenactVideo", model=model, image=image, driving=video, **values)
    graph.add("save", "SaveVideo", video=["video", 0], filename_prefix="long")
    return graph


def test_150_frames_need_no_more_memory_than_40(comfyui_server):
    peaks = []
    for frames in (SHORT, LONG):
        graph = reenact_video(comfyui_server, frames)
        with comfyui_server.server.peak_memory() as samples:
            run = comfyui_server.run(graph.prompt)
        assert run.status == "success", run.error
        peaks.append(max(samples))
    video = SavedVideo.read(run.files["save"][0])
    assert len(video.frames) == LONG
    assert video.frame_rate == FRAME_RATE
    assert video.sound_seconds == pytest.approx(float(LONG / FRAME_RATE), abs=0.1)
    assert peaks[1] - peaks[0] < ALLOWED_GROWTH
