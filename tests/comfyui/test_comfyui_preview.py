"""Geometry previews in a real ComfyUI: on Edit Pose, while its sliders are dragged, and of clips."""

import io
import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from clips import SavedVideo
from comfyui_page import fit_view, load_api_format, open_comfyui, press_run
from graphs import Graph
from PIL import Image

EDIT, ROUTE = "diffusionact_edit", "/diffusionact/edit_preview"
SIZE, CLIP_FRAMES = 256, 11


def edit_graph(client, **sliders) -> Graph:
    """Node ids media, model, source, edit, show: the diffusion model's source in a pose, its landmarks not drawn."""
    graph = Graph(client)
    graph.add("media", "DiffusionAct_DemoMedia", frames=CLIP_FRAMES, media="photo")
    model = graph.add("model", "DiffusionAct_LoadModel", model="demo", dtype="float32")
    source = graph.add("source", "DiffusionAct_EncodeSource", model=model, image=["media", 0], inversion_steps=2)
    pose = graph.add("edit", "DiffusionAct_EditPose", source=source, **sliders)
    graph.add("show", "DiffusionAct_PreviewMotion", source=source, pose=pose)
    return graph


def preview_of(client, edit: str, **sliders) -> np.ndarray:
    """What the page gets for sliders."""
    body = json.dumps({"edit": edit, "sliders": sliders}).encode()
    request = urllib.request.Request(client.server.url + ROUTE, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())), dtype=float)


@pytest.fixture(scope="module")
def edited(comfyui_server):
    """A run with the head turned, and the name of its edit."""
    run = comfyui_server.run(edit_graph(comfyui_server, yaw=20.0).prompt)
    assert run.status == "success", run.error
    return run, run.outputs["edit"][EDIT][0]


def test_edit_pose_shows_the_warped_source(comfyui_server, edited):
    run, name = edited
    shown = np.asarray(Image.open(run.files["edit"][0]).convert("RGB"), dtype=float)
    assert shown.shape == (SIZE, SIZE, 3)
    assert np.abs(shown - preview_of(comfyui_server, name, yaw=20.0)).mean() < 4, "the route shows the same"
    assert np.abs(shown - preview_of(comfyui_server, name, yaw=-20.0)).mean() > 8


@pytest.mark.parametrize(
    ("sliders", "status", "words"),
    [({"yaw": 200.0}, 400, "yaw"), ({"ears": 1.0}, 400, "ears"), ({"yaw": "a lot"}, 400, "a lot")],
)
def test_a_wrong_slider_is_answered_with_its_name(comfyui_server, edited, sliders, status, words):
    with pytest.raises(urllib.error.HTTPError) as caught:
        preview_of(comfyui_server, edited[1], **sliders)
    assert caught.value.code == status and words in caught.value.read().decode()


def test_an_edit_that_is_not_kept_says_to_run_again(comfyui_server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        preview_of(comfyui_server, "0" * 32, yaw=1.0)
    assert caught.value.code == 404 and "Run the node again" in caught.value.read().decode()


def test_preview_motion_plays_every_second_frame_small(comfyui_server):
    graph = edit_graph(comfyui_server)
    pose = graph.add("pose", "DiffusionAct_ExtractPose", source=["source", 0], driving=["media", 1])
    graph.set("show", pose=pose)
    graph.add("frames", "PreviewImage", images=["show", 0])
    graph.add("save", "SaveVideo", video=["show", 1], filename_prefix="preview")
    del graph.prompt["edit"]
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    frames = [np.asarray(Image.open(file).convert("RGB"), dtype=float) for file in run.files["frames"]]
    assert len(frames) == (CLIP_FRAMES + 1) // 2 and frames[0].shape == (SIZE, SIZE, 3)
    assert np.abs(frames[0] - frames[-1]).mean() > 1, "the driver's motion is seen"
    saved = SavedVideo.read(run.files["save"][0])
    assert len(saved.frames) == len(frames) and saved.frame_rate == 25 / 2
    assert len(SavedVideo.read(run.files["show"][0]).frames) == len(frames)


SHOWN = "(window.app.graph.nodes.find(node => node.type === 'DiffusionAct_EditPose').imgs?.[0]?.src ?? '')"
# Where the page draws the slider of yaw: its left end, its width, and its height on the page, px.
SLIDER = """() => {
    const { canvas, graph } = window.app;
    const node = graph.nodes.find(node => node.type === 'DiffusionAct_EditPose');
    const slider = node.widgets.find(widget => widget.name === 'yaw');
    const box = canvas.canvas.getBoundingClientRect();
    const { scale, offset } = canvas.ds;
    return {
        x: box.left + (node.pos[0] + offset[0]) * scale,
        y: box.top + (node.pos[1] + slider.y + 10 + offset[1]) * scale,
        width: node.size[0] * scale,
    };
}"""


def test_the_node_follows_its_sliders_on_the_page(comfyui_server, open_page, screenshots):
    page = open_comfyui(open_page, comfyui_server, width=1800)
    load_api_format(page, edit_graph(comfyui_server, smile=0.1).prompt)
    press_run(page)
    page.wait_for_function(f"() => {SHOWN} !== ''")
    fit_view(page)
    first, slider = page.evaluate(SHOWN), page.evaluate(SLIDER)
    page.mouse.move(slider["x"] + 0.5 * slider["width"], slider["y"])
    page.mouse.down()
    addresses = {first}
    for share in (0.6, 0.65, 0.7):
        before = page.evaluate(SHOWN)
        page.mouse.move(slider["x"] + share * slider["width"], slider["y"])
        page.wait_for_function(f"before => {SHOWN} !== before", arg=before)
        addresses.add(page.evaluate(SHOWN))
    page.screenshot(path=screenshots / "comfyui_edit_preview.png")
    page.mouse.up()
    assert len(addresses) == 4 and all(address.startswith("blob:") for address in addresses - {first})
    assert [error for error in page.errors if "diffusionact" in error.lower()] == []
