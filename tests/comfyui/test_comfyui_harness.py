"""The tools of this room, tried on ComfyUI's own nodes."""

import json

import pytest
from comfyui_client import WorkflowRejectedError
from PIL import Image


def scale_workflow(image: str, width: int, height: int) -> dict:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {
            "class_type": "ImageScale",
            "inputs": {
                "image": ["1", 0], "upscale_method": "bilinear", "width": width, "height": height, "crop": "disabled",
            },
        },
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "scaled"}},
    }  # fmt: skip


@pytest.fixture
def red_image(comfyui_server) -> str:
    Image.new("RGB", (64, 48), "red").save(comfyui_server.server.base / "input" / "red.png")
    return "red.png"


def test_a_workflow_runs_and_its_second_run_uses_the_cache(comfyui_server, red_image):
    first = comfyui_server.run(scale_workflow(red_image, 32, 16))
    assert first.status == "success"
    image = Image.open(first.files["3"][0])
    assert image.size == (32, 16)
    assert image.convert("RGB").getpixel((5, 5)) == (255, 0, 0)
    second = comfyui_server.run(scale_workflow(red_image, 40, 16))
    assert second.cached == ["1"]
    assert second.executed == ["2", "3"]


def test_a_wrong_value_is_a_node_error(comfyui_server, red_image):
    with pytest.raises(WorkflowRejectedError) as caught:
        comfyui_server.queue(scale_workflow(red_image, -3, 16))
    assert caught.value.node_errors == {"2": ["Value -3 smaller than min of 0: width"]}


def test_requirements_of_the_pack_leave_comfyui_as_it_is(comfyui_installation):
    report = comfyui_installation.comfyui.parent / "pack_installs.json"
    if not report.exists():
        pytest.skip("COMFYUI_DIR names a ComfyUI that this repository did not install")
    installed = json.loads(report.read_text())
    assert "diffusers" in installed
    assert not installed.keys() & {"torch", "torchvision", "torchaudio", "numpy", "pillow", "transformers"}
