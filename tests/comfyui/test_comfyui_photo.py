"""The bundled model photo in a real ComfyUI: every node works with it, though it has no networks and no steps."""

import numpy as np
import pytest
from clips import SavedVideo, head_yaw_deg
from graphs import Graph, reenactment
from PIL import Image

FRAMES, SIZE, PHOTO_SIZE = 6, 512, 512
SOURCE_FILE = "diffusionact/photo_source_00001_.safetensors [output]"
POSE_FILE = "diffusionact/photo_pose_00001_.safetensors [output]"
MAX_SOURCE_FILE = 8_000_000  # bytes; the demo photo has 6.3 million


def photo_graph(client, frames: int = FRAMES) -> Graph:
    """Demo Media's photo through the wired pack; node ids as in `reenactment`, all frames shown by `frames`."""
    graph = reenactment(client, "photo_driving.mp4", "photo.jpg", model_name="photo")
    graph.add("media", "DiffusionAct_DemoMedia", frames=frames, media="photo")
    graph.set("source", image=["media", 0], inversion_steps=0)
    graph.set("pose", driving=["media", 1])
    graph.set("decode", preset="balanced", chunk_size=4)
    graph.add("frames", "PreviewImage", images=["decode", 0])
    del graph.prompt["photo"], graph.prompt["clip"]
    return graph


def shown(run, node: str) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in run.files[node]])


@pytest.fixture(scope="module")
def wired(comfyui_server):
    """A run of the wired pack that also pastes the faces back, and saves source and pose."""
    graph = photo_graph(comfyui_server)
    graph.add("pasted", "DiffusionAct_PasteBack", image=["decode", 0], source=["source", 0])
    graph.add("whole", "PreviewImage", images=["pasted", 0])
    graph.add("keep", "DiffusionAct_SaveSource", source=["source", 0], filename_prefix="diffusionact/photo_source")
    graph.add("keep_pose", "DiffusionAct_SavePose", pose=["pose", 0], filename_prefix="diffusionact/photo_pose")
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    return run


def test_a_new_load_node_takes_photo_and_the_list_has_both(comfyui_server):
    options = comfyui_server.object_info()["DiffusionAct_LoadModel"]["input"]["required"]["model"][1]
    assert options["default"] == "photo"
    assert options["options"][:2] == ["photo", "demo"]


def test_saved_workflows_keep_the_diffusion_model_and_the_heads(comfyui_server):
    graph = Graph(comfyui_server)
    graph.add("media", "DiffusionAct_DemoMedia", frames=1)
    del graph.prompt["media"]["inputs"]["media"]  # as saved before there was a choice
    model = graph.add("model", "DiffusionAct_LoadModel", model="demo")
    source = graph.add("source", "DiffusionAct_EncodeSource", model=model, image=["media", 0], inversion_steps=1)
    graph.add("image", "PreviewImage", images=["media", 0])
    graph.add("aligned", "PreviewImage", images=[source[0], 1])
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    source_file = comfyui_server.server.base / "input" / "source.png"
    assert np.array_equal(shown(run, "image")[0], np.asarray(Image.open(source_file).convert("RGB")))
    assert shown(run, "aligned").shape[1:3] == (128, 128)


def test_a_photo_follows_the_driver_sharply(comfyui_server, wired):
    faces = shown(wired, "frames")
    assert faces.shape == (FRAMES, SIZE, SIZE, 3)
    assert np.abs(np.diff(faces[..., 1].astype(float), axis=2)).mean() > 2.0, "not blurred"
    assert wired.progress["decode"][-1] == 1 and wired.previews > 0


def test_pasted_back_the_rest_of_the_photo_stays(comfyui_server, wired):
    whole, photo = shown(wired, "whole"), Image.open(comfyui_server.server.base / "input" / "photo.jpg")
    assert whole.shape == (FRAMES, PHOTO_SIZE, PHOTO_SIZE, 3)
    assert np.abs(whole[:, -8:].astype(float) - np.asarray(photo.convert("RGB"))[-8:]).max() <= 1
    assert np.ptp(whole.astype(int), axis=0).max() > 30, "the face moves"


def test_a_saved_photo_gives_the_same_frames_without_encoding(comfyui_server, wired):
    path = comfyui_server.server.base / "output" / SOURCE_FILE.removesuffix(" [output]")
    assert path.stat().st_size < MAX_SOURCE_FILE, path.stat().st_size
    graph = Graph(comfyui_server)
    model = graph.add("model", "DiffusionAct_LoadModel")
    source = graph.add("source", "DiffusionAct_LoadSource", file=SOURCE_FILE)
    pose = graph.add("pose", "DiffusionAct_LoadPose", file=POSE_FILE)
    codes = graph.add("codes", "DiffusionAct_Reenact", model=model, source=source, pose=pose)
    decoded = graph.add("decode", "DiffusionAct_Decode", model=model, source=source, codes=codes)
    graph.add("frames", "PreviewImage", images=decoded)
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    assert np.abs(shown(run, "frames").astype(int) - shown(wired, "frames")).max() <= 1


def test_sliders_turn_a_photo_without_a_driver(comfyui_server):
    yaws = []
    for yaw in (-15.0, 15.0):
        graph = photo_graph(comfyui_server)
        graph.add("edit", "DiffusionAct_EditPose", source=["source", 0], yaw=yaw, smile=0.5)
        graph.set("codes", pose=["edit", 0])
        run = comfyui_server.run(graph.prompt)
        assert run.status == "success", run.error
        yaws.append(head_yaw_deg(shown(run, "frames"))[0])
    assert yaws[1] - yaws[0] > 15.0


@pytest.mark.parametrize("paste_back", [False, True])
def test_reenact_video_moves_a_photo(comfyui_server, paste_back):
    graph = Graph(comfyui_server)
    media = graph.add("media", "DiffusionAct_DemoMedia", frames=FRAMES, media="photo")
    links = {"model": graph.add("model", "DiffusionAct_LoadModel"), "image": media, "driving": ["media", 1]}
    graph.add("video", "DiffusionAct_ReenactVideo", **links, paste_back=paste_back)
    graph.add("save", "SaveVideo", video=["video", 0], filename_prefix="moved")
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    side = PHOTO_SIZE if paste_back else SIZE
    assert SavedVideo.read(run.files["save"][0]).frames.shape == (FRAMES, side, side, 3)


def test_unloading_and_two_prompts_with_photo_both_finish(comfyui_server):
    comfyui_server.run(photo_graph(comfyui_server, 2).prompt)
    comfyui_server.free()
    names = [comfyui_server.queue(photo_graph(comfyui_server, frames).prompt) for frames in (3, 4)]
    runs = [comfyui_server.wait(name) for name in names]
    assert [run.status for run in runs] == ["success", "success"]
    assert "model" in runs[0].executed and "source" in runs[0].executed
    assert [len(shown(run, "frames")) for run in runs] == [3, 4]


def test_cancel_stops_a_photo_between_chunks_and_the_next_run_is_whole(comfyui_server):
    name = comfyui_server.queue(photo_graph(comfyui_server, 40).prompt)
    run = comfyui_server.runs[name]
    comfyui_server.wait_for(lambda: run.progress.get("decode"))
    comfyui_server.interrupt()
    assert comfyui_server.wait(name).status == "interrupted"
    assert run.progress["decode"][-1] < 1
    assert comfyui_server.run(photo_graph(comfyui_server, 4).prompt).status == "success"
