"""Every shipped workflow: it opens in ComfyUI's page as it was saved, and runs on the bundled model that it names."""

import json
from functools import partial

import numpy as np
import pytest
from browser import open_page_in
from clips import FRAME_RATE, SavedVideo, decode, head_yaw_deg, write_driver
from comfyui_page import load_ui_format, open_comfyui, shown_prompt
from comfyui_process import ROOT
from PIL import Image
from workflow_format import to_api_format

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
FRAMES, EVERY = 8, 12  # most of the driver
# Inputs by name, wherever they occur: small enough for two CPU cores.
SMALL = {"preset": "custom", "steps": 6, "inversion_steps": 5}
VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".mov")


@pytest.fixture(scope="module")
def driver(comfyui_server) -> str:
    """A short driver with much motion, in the input folder."""
    return write_driver(comfyui_server.server.base / "input" / "workflow_driver.mp4", FRAMES, every=EVERY).name


def shrink(prompt: dict, driver: str) -> dict:
    """Small settings, and a user's own files in place of the demo media, as the notes in the workflows say."""
    media = {name: node for name, node in prompt.items() if node["class_type"] == "DiffusionAct_DemoMedia"}
    wants_photo = any(node["inputs"]["media"] == "photo" for node in media.values())
    own = {
        "photo": {"class_type": "LoadImage", "inputs": {"image": "photo.jpg" if wants_photo else "source.png"}},
        "clip": {"class_type": "LoadVideo", "inputs": {"file": driver}},
    }
    replaced = {(name, output): [new, 0] for name in media for output, new in enumerate(own)}
    for node in prompt.values():
        inputs = node["inputs"]
        inputs.update({name: value for name, value in SMALL.items() if name in inputs})
        links = {name: tuple(value) for name, value in inputs.items() if isinstance(value, list)}
        inputs.update({name: replaced[link] for name, link in links.items() if link in replaced})
        if node["class_type"] in ("DiffusionAct_MakeMotion", "DiffusionAct_ReenactGroup"):
            inputs.update(seconds=float(FRAMES / FRAME_RATE), frame_rate=float(FRAME_RATE))
        if node["class_type"] == "Video Slice":  # a driver that begins later becomes shorter than what it drives
            duration = float(FRAMES / 2 / FRAME_RATE) if inputs["start_time"] else 0.0
            inputs.update(start_time=0.0, duration=duration)
    return {name: node for name, node in prompt.items() if name not in media} | own


def has_driver(prompt: dict) -> bool:
    """Whether a clip goes in: else a motion moves the source, which has neither sound nor a head to follow."""
    return any(value == ["clip", 0] for node in prompt.values() for value in node["inputs"].values())


def with_ids(files, param):
    return pytest.mark.parametrize(param, files, ids=lambda file: file.stem)


@with_ids(WORKFLOWS, "file")
def test_a_shipped_workflow_runs_and_follows_its_driver(comfyui_server, driver, file):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    prompt = shrink(to_api_format(workflow, comfyui_server.object_info()), driver)
    run = comfyui_server.run(prompt, timeout=600)
    assert run.status == "success", run.error
    saved = [files for node, files in run.files.items() if prompt[node]["class_type"].startswith("Save")]
    assert saved
    for path in sum(saved, []):
        if path.suffix in VIDEO_SUFFIXES:
            video = SavedVideo.read(path)
            assert len(video.frames) == FRAMES
            assert video.frame_rate == pytest.approx(FRAME_RATE, abs=0.001)
            if not has_driver(prompt):
                moved = np.abs(np.stack(video.frames).astype(float) - video.frames[0]).max(axis=(0, 3))
                assert (moved > 25).mean() > 0.002, "a face of the image moves"
                continue
            assert video.sound_seconds == pytest.approx(float(FRAMES / FRAME_RATE), abs=0.05)
            asked = head_yaw_deg(decode(comfyui_server.server.base / "input" / driver))
            assert np.corrcoef(asked, head_yaw_deg(video.frames))[0, 1] > 0.9
            images = video.frames
        else:
            images = np.asarray(Image.open(path).convert("RGB"))
        assert images.mean() > 40 and images.std() > 20


@pytest.fixture(scope="module")
def page(comfyui_server, browser):
    """One page for all workflows, as a user opens one after the other."""
    page = open_comfyui(partial(open_page_in, browser), comfyui_server)
    yield page
    page.context.close()


@with_ids(WORKFLOWS, "file")
def test_the_page_would_send_what_we_test(comfyui_server, page, file):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    load_ui_format(page, workflow)
    assert shown_prompt(page) == to_api_format(workflow, comfyui_server.object_info())


@with_ids(WORKFLOWS, "file")
def test_a_shipped_workflow_has_a_thumbnail_and_frames_that_hold_its_nodes(file):
    with Image.open(file.with_suffix(".jpg")) as thumbnail:
        assert thumbnail.height >= 256
    workflow = json.loads(file.read_text(encoding="utf-8"))
    nodes = [node for node in workflow["nodes"] if node["type"] != "MarkdownNote"]
    assert len(workflow["nodes"]) > len(nodes)  # a note says what it does
    boxes = [(*node["pos"], *node["size"]) for node in workflow["nodes"]]
    for index, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:index]:
            apart_x = x >= other_x + other_width or other_x >= x + width
            assert apart_x or y >= other_y + other_height or other_y >= y + height
