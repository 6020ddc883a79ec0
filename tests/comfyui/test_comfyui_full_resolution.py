"""Output at the photo's own resolution in a real ComfyUI: Add Detail, Paste Back and Reenact Video."""

import numpy as np
import pytest
from clips import SavedVideo
from graphs import Graph, reenactment
from PIL import Image

FRAMES, PHOTO_SIZE = 3, 512


def shown(run, node: str) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in run.files[node]])


def sharpness(images: np.ndarray) -> float:
    return float(np.abs(np.diff(images.astype(float), axis=2)).mean())


def graph_of(client, model_name: str) -> Graph:
    """Demo Media through a model, its faces shrunk to 128 px, Add Detail and both ways of Paste Back.

    Node ids as in `reenactment`, and media, small, detail, plain_paste, paste.
    """
    graph = reenactment(client, "driving.mp4", model_name=model_name)
    graph.add("media", "DiffusionAct_DemoMedia", frames=FRAMES, media="photo")
    graph.set("source", image=["media", 0], inversion_steps=2)
    graph.set("pose", driving=["media", 1])
    del graph.prompt["photo"], graph.prompt["clip"], graph.prompt["save"]
    size = {"width": 128, "height": 128, "upscale_method": "area", "crop": "disabled"}
    faces, links = graph.add("small", "ImageScale", image=["decode", 0], **size), {"source": ["source", 0]}
    graph.add("plain_paste", "DiffusionAct_PasteBack", image=faces, **links)
    links |= {"pose": ["pose", 0]}
    graph.add("detail", "DiffusionAct_AddDetail", image=faces, **links, resolution="512")
    graph.add("paste", "DiffusionAct_PasteBack", image=faces, **links)
    for node in ("small", "detail", "plain_paste", "paste"):
        graph.add(f"show_{node}", "PreviewImage", images=[node, 0])
    return graph


@pytest.mark.parametrize("model_name", ["photo", "demo"])
def test_small_faces_get_the_resolution_of_the_photo(comfyui_server, model_name):
    run = comfyui_server.run(graph_of(comfyui_server, model_name).prompt)
    assert run.status == "success", run.error
    small, large = shown(run, "show_small"), shown(run, "show_detail")
    assert small.shape == (FRAMES, 128, 128, 3) and large.shape == (FRAMES, 512, 512, 3)
    pasted, plain = shown(run, "show_paste"), shown(run, "show_plain_paste")
    assert pasted.shape == plain.shape == (FRAMES, PHOTO_SIZE, PHOTO_SIZE, 3)
    if model_name == "photo":  # in two steps the small diffusion model shows too little that agrees with the photo
        enlarged = np.stack([np.asarray(Image.fromarray(face).resize((512, 512), Image.BICUBIC)) for face in small])
        assert sharpness(large) > 1.2 * sharpness(enlarged)
        assert sharpness(pasted[:, 60:200, 130:320]) > 1.05 * sharpness(plain[:, 60:200, 130:320])


def test_the_whole_image_moves_with_the_model_photo(comfyui_server):
    graph = graph_of(comfyui_server, "photo")
    links = {"image": ["decode", 0], "source": ["source", 0], "pose": ["pose", 0]}
    graph.add("whole", "DiffusionAct_PasteBack", **links, whole_image=True)
    graph.add("show_whole", "PreviewImage", images=["whole", 0])
    graph.add("mask_image", "MaskToImage", mask=["whole", 1])
    graph.add("show_mask", "PreviewImage", images=["mask_image", 0])
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    whole, photo = shown(run, "show_whole"), Image.open(comfyui_server.server.base / "input" / "photo.jpg")
    assert whole.shape == (FRAMES, PHOTO_SIZE, PHOTO_SIZE, 3)
    assert np.abs(whole[:, -8:].astype(float) - np.asarray(photo.convert("RGB"))[-8:]).max() <= 1
    mask = shown(run, "show_mask")
    assert mask[:, -1].max() == 0 and mask.max() == 255


def test_whole_image_without_a_pose_explains_itself(comfyui_server):
    graph = graph_of(comfyui_server, "photo")
    graph.add("whole", "DiffusionAct_PasteBack", image=["decode", 0], source=["source", 0], whole_image=True)
    graph.add("show_whole", "PreviewImage", images=["whole", 0])
    run = comfyui_server.run(graph.prompt)
    assert run.status == "error" and "Connect the pose that Reenact has" in str(run.error)


@pytest.mark.parametrize(("paste_back", "side"), [(False, 768), (True, PHOTO_SIZE)])
def test_reenact_video_has_a_resolution(comfyui_server, paste_back, side):
    graph = Graph(comfyui_server)
    media = graph.add("media", "DiffusionAct_DemoMedia", frames=FRAMES, media="photo")
    links = {"model": graph.add("model", "DiffusionAct_LoadModel"), "image": media, "driving": ["media", 1]}
    graph.add("video", "DiffusionAct_ReenactVideo", **links, paste_back=paste_back, resolution="768")
    graph.add("save", "SaveVideo", video=["video", 0], filename_prefix="sized")
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    assert SavedVideo.read(run.files["save"][0]).frames.shape == (FRAMES, side, side, 3)
