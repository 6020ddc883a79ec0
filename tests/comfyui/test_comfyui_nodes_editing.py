"""Posing without a driver, pasting back, and saved files in a real ComfyUI; mistakes are node errors."""

import numpy as np
import pytest
from comfyui_client import WorkflowRejectedError
from graphs import Graph
from PIL import Image

STEPS = {"preset": "custom", "steps": 2}


def posed(client, **sliders) -> Graph:
    """Source image and sliders to a saved image; node ids model, image, source, edit, codes, decode, show."""
    graph = Graph(client)
    model = graph.add("model", "DiffusionAct_LoadModel", model="demo", dtype="float32")
    image = graph.add("photo", "LoadImage", image="source.png")
    source = graph.add("source", "DiffusionAct_EncodeSource", model=model, image=image, inversion_steps=5)
    pose = graph.add("edit", "DiffusionAct_EditPose", source=source, **sliders)
    codes = graph.add("codes", "DiffusionAct_Reenact", model=model, source=source, pose=pose)
    decoded = graph.add("decode", "DiffusionAct_Decode", model=model, source=source, codes=codes, **STEPS)
    graph.add("show", "PreviewImage", images=decoded)
    return graph


def pixels(run, node: str) -> np.ndarray:
    return np.asarray(Image.open(run.files[node][0]).convert("RGB"), dtype=float)


def test_sliders_pose_the_source_without_a_driving_video(comfyui_server):
    still = comfyui_server.run(posed(comfyui_server).prompt)
    turned = comfyui_server.run(posed(comfyui_server, yaw=25.0, mouth_open=0.6).prompt)
    assert turned.status == "success", turned.error
    assert "source" in turned.cached, "moving a slider does not encode again"
    assert np.abs(pixels(turned, "show") - pixels(still, "show")).mean() > 3
    assert np.abs(pixels(turned, "edit") - pixels(still, "edit")).mean() > 3, "the node previews it"


def test_the_face_is_pasted_back_and_the_rest_of_the_image_stays(comfyui_server):
    graph = posed(comfyui_server, smile=1.0)
    pasted = graph.add("paste", "DiffusionAct_PasteBack", image=["decode", 0], source=["source", 0])
    graph.add("full", "PreviewImage", images=pasted)
    graph.add("where", "MaskToImage", mask=["paste", 1])
    graph.add("share", "PreviewImage", images=["where", 0])
    run = comfyui_server.run(graph.prompt)
    original = np.asarray(Image.open(comfyui_server.server.base / "input" / "source.png").convert("RGB"), dtype=float)
    full, share = pixels(run, "full"), pixels(run, "share")
    assert full.shape == original.shape == share.shape
    assert np.abs(full - original)[share == 0].max() == 0
    assert np.abs(full - original)[share == 255].mean() > 1
    assert share.max() == 255


def test_saved_sources_and_poses_give_the_same_image_without_encoding(comfyui_server):
    graph = posed(comfyui_server, yaw=15.0)
    graph.add("keep_source", "DiffusionAct_SaveSource", source=["source", 0], filename_prefix="diffusionact/kept")
    graph.add("keep_pose", "DiffusionAct_SavePose", pose=["edit", 0], filename_prefix="diffusionact/nod")
    first = comfyui_server.run(graph.prompt)
    assert first.status == "success", first.error
    again = Graph(comfyui_server)
    model = again.add("model", "DiffusionAct_LoadModel", model="demo", dtype="float32")
    source = again.add("source", "DiffusionAct_LoadSource", file="diffusionact/kept_00001_.safetensors [output]")
    pose = again.add("pose", "DiffusionAct_LoadPose", file="diffusionact/nod_00001_.safetensors [output]")
    codes = again.add("codes", "DiffusionAct_Reenact", model=model, source=source, pose=pose)
    decoded = again.add("decode", "DiffusionAct_Decode", model=model, source=source, codes=codes, **STEPS)
    again.add("show", "PreviewImage", images=decoded)
    second = comfyui_server.run(again.prompt)
    assert second.status == "success", second.error
    assert np.array_equal(pixels(first, "show"), pixels(second, "show"))
    swapped = Graph(comfyui_server)
    swapped.prompt = again.prompt | {}
    swapped.set("pose", file="diffusionact/kept_00001_.safetensors [output]")
    wrong = comfyui_server.run(swapped.prompt)
    assert wrong.error["node_id"] == "pose"
    assert "Choose the right file" in wrong.error["exception_message"]


def test_an_image_without_a_face_is_a_clear_error_at_the_node(comfyui_server):
    Image.new("RGB", (200, 150), "gray").save(comfyui_server.server.base / "input" / "empty.png")
    graph = posed(comfyui_server)
    graph.set("photo", image="empty.png")
    run = comfyui_server.run(graph.prompt)
    assert run.status == "error"
    assert run.error["node_id"] == "source"
    assert run.error["exception_message"].startswith("Source: No face found in the image.")


def test_edit_pose_without_a_pose_and_a_source_says_what_to_connect(comfyui_server):
    graph = posed(comfyui_server)
    del graph.prompt["edit"]["inputs"]["source"]
    run = comfyui_server.run(graph.prompt)
    assert run.error["node_id"] == "edit"
    assert "Connect Extract Pose" in run.error["exception_message"]


@pytest.mark.parametrize(
    ("node", "wrong", "words"),
    [
        ("model", {"model": "no-such-model"}, "put its folder there"),
        ("model", {"repository": "not a repository"}, "Expected a repository as name/model"),
        ("edit", {"yaw": 200.0}, "bigger than max"),
        ("decode", {"steps": 0}, "smaller than min"),
        ("decode", {"scheduler": "guess"}, "not in"),
    ],
)
def test_a_wrong_value_is_rejected_before_anything_runs(comfyui_server, node, wrong, words):
    graph = posed(comfyui_server)
    graph.set(node, **wrong)
    with pytest.raises(WorkflowRejectedError) as caught:
        comfyui_server.queue(graph.prompt)
    assert words in caught.value.node_errors[node][0]


def test_a_name_over_a_link_is_taken_when_it_is_known(comfyui_server):
    graph = posed(comfyui_server)
    graph.set("model", repository=graph.add("text", "PrimitiveString", value=""))
    assert comfyui_server.run(graph.prompt).status == "success"
    graph.set("text", value="../outside")
    run = comfyui_server.run(graph.prompt)
    assert run.error["node_id"] == "model"
    assert "Expected a repository as name/model" in run.error["exception_message"]


def test_a_file_outside_comfyuis_folders_is_rejected(comfyui_server):
    graph = posed(comfyui_server)
    graph.add("edit", "DiffusionAct_LoadPose", file="../../secret.safetensors [output]")
    with pytest.raises(WorkflowRejectedError) as caught:
        comfyui_server.queue(graph.prompt)
    assert "Expected a saved file" in caught.value.node_errors["edit"][0]


def test_a_motion_needs_no_driver_and_shows_its_curves(comfyui_server):
    graph = posed(comfyui_server)
    motion = graph.add("motion", "DiffusionAct_MakeMotion", source=["source", 0], motion="nod", seconds=0.2)
    graph.prompt["codes"]["inputs"]["pose"] = motion
    run = comfyui_server.run(graph.prompt)
    assert run.status == "success", run.error
    assert len(run.files["show"]) == 5
    assert pixels(run, "motion").shape == (360, 640, 3)
    wrong = posed(comfyui_server)
    text = '{"keyframes": [{"time": 0, "jaw": 1}]}'
    pose = wrong.add("motion", "DiffusionAct_MakeMotion", source=["source", 0], keyframes=text)
    wrong.prompt["codes"]["inputs"]["pose"] = pose
    assert "'jaw'" in comfyui_server.run(wrong.prompt).error["exception_message"]
