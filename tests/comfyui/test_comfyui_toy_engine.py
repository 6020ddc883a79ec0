"""Engines in a real ComfyUI that its nodes do not know: one from another package, and `directions`."""

import numpy as np
import pytest
import torch
import toy_engine
from clips import SavedVideo, write_driver
from comfyui_client import ComfyUIClient
from comfyui_process import ServerProcess, copy_demo_media
from graphs import Graph, reenactment
from PIL import Image
from tiny_directions import make_tiny_directions_model

from diffusionact import FacePose
from diffusionact.data.saved_values import load_value

FRAMES = 10


@pytest.fixture(scope="module")
def client(comfyui_installation, tmp_path_factory):
    """A ComfyUI with the toy engine's package, a model of it and one of `directions` in its folder, and a driver."""
    base = tmp_path_factory.mktemp("toy")
    copy_demo_media(base)
    write_driver(base / "input" / "driver.mp4", FRAMES, every=8)
    toy_engine.write_model_folder(base / "models" / "diffusionact" / "toy")
    make_tiny_directions_model(base / "models" / "diffusionact" / "directions")
    packages = toy_engine.install(base / "packages")
    server = ServerProcess(comfyui_installation, base, packages=packages)
    client = ComfyUIClient(server)
    yield client
    client.close()
    server.stop()


@pytest.fixture(scope="module")
def wired(client):
    """A run of the wired pack that shows the aligned source and all frames, and saves source and pose."""
    graph = reenactment(client, "driver.mp4")
    graph.set("model", model="toy")
    graph.set("decode", preset="balanced", chunk_size=3)
    graph.add("aligned", "PreviewImage", images=["source", 1])
    graph.add("frames", "PreviewImage", images=["decode", 0])
    graph.add("keep_source", "DiffusionAct_SaveSource", source=["source", 0])
    graph.add("keep_pose", "DiffusionAct_SavePose", pose=["pose", 0])
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    return run


@pytest.fixture(scope="module")
def expected(client, wired) -> np.ndarray:
    """The aligned source, moved as the saved poses lean: uint8 (F, S, S, 3)."""
    folder = client.server.base / "output" / "diffusionact"
    rolls = load_value(folder / "pose_00001_.safetensors", FacePose).head_pose[:, 2].tolist()
    assert len({round(roll) for roll in rolls}) > 1, "the driver leans"
    aligned = torch.from_numpy(shown(wired, "aligned")[0]).movedim(-1, 0)
    return torch.stack([toy_engine.moved(aligned, roll) for roll in rolls]).movedim(1, -1).numpy()


def shown(run, node: str) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in run.files[node]])


def test_wired_nodes_render_with_an_engine_of_another_package(client, wired, expected):
    assert expected.shape == (FRAMES, toy_engine.SAMPLE_SIZE, toy_engine.SAMPLE_SIZE, 3)
    assert np.array_equal(shown(wired, "frames"), expected)
    assert wired.previews > 0 and wired.progress["decode"][-1] == 1


def test_a_saved_source_of_another_engine_is_rendered_again(client, wired, expected):
    graph = Graph(client)
    model = graph.add("model", "DiffusionAct_LoadModel", model="toy")
    source = graph.add("source", "DiffusionAct_LoadSource", file="diffusionact/source_00001_.safetensors [output]")
    pose = graph.add("pose", "DiffusionAct_LoadPose", file="diffusionact/pose_00001_.safetensors [output]")
    codes = graph.add("codes", "DiffusionAct_Reenact", model=model, source=source, pose=pose)
    decoded = graph.add("decode", "DiffusionAct_Decode", model=model, source=source, codes=codes)
    graph.add("frames", "PreviewImage", images=decoded)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert np.array_equal(shown(run, "frames"), expected)


def test_reenact_video_renders_with_an_engine_of_another_package(client, wired, expected):
    graph = Graph(client)
    model = graph.add("model", "DiffusionAct_LoadModel", model="toy")
    image = graph.add("photo", "LoadImage", image="source.png")
    clip = graph.add("clip", "LoadVideo", file="driver.mp4")
    graph.add("video", "DiffusionAct_ReenactVideo", model=model, image=image, driving=clip, chunk_size=4)
    graph.add("save", "SaveVideo", video=["video", 0], filename_prefix="toy")
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    frames = SavedVideo.read(run.files["save"][0]).frames
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(float) - expected).mean() < 4, "but for the video's compression"


def test_sources_of_two_engines_are_kept_apart(client, wired):
    graph = reenactment(client, "driver.mp4")
    graph.add("toy", "DiffusionAct_LoadModel", model="toy")
    graph.set("codes", model=["toy", 0])
    run = client.run(graph.prompt)
    assert run.error["node_id"] == "codes"
    assert "Connect the same Load DiffusionAct" in run.error["exception_message"]


def test_wired_nodes_move_a_latent_code_along_directions(client):
    graph = reenactment(client, "driver.mp4")
    graph.set("model", model="directions")
    graph.add("frames", "PreviewImage", images=["decode", 0])
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    frames = shown(run, "frames")
    assert frames.shape == (FRAMES, 32, 32, 3)
    assert np.any(frames[0] != frames[-1])
    assert run.progress["source"][-1] == 1, "the generator is tuned for the steps that the node asks for"
