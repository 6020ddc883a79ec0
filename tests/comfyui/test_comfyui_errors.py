"""What a user of ComfyUI reads when something is wrong: a message at the node, in plain English."""

import numpy as np
import pytest
from clips import write_driver
from comfyui_client import WorkflowRejectedError
from graphs import Graph, reenactment
from PIL import Image


@pytest.fixture(scope="module")
def inputs(comfyui_server):
    """The input folder, with a driver and an image without a face."""
    folder = comfyui_server.server.base / "input"
    write_driver(folder / "short.mp4", 4)
    Image.fromarray(np.full((96, 96, 3), 120, np.uint8)).save(folder / "grey.png")
    return folder


def error_of(client, graph: Graph) -> tuple[str, str]:
    """Node id and message of a run that fails."""
    run = client.run(graph.prompt)
    assert run.status == "error"
    return run.error["node_id"], run.error["exception_message"]


def test_a_source_without_a_face_is_named_with_a_cure(comfyui_server, inputs):
    node, message = error_of(comfyui_server, reenactment(comfyui_server, "short.mp4", source="grey.png"))
    assert node == "source"
    assert "No face found in the image" in message and "Crop tighter" in message


def test_a_reference_frame_after_the_end_is_named(comfyui_server, inputs):
    graph = reenactment(comfyui_server, "short.mp4")
    graph.set("pose", relative_motion=True, reference_frame=99)
    node, message = error_of(comfyui_server, graph)
    assert node == "pose"
    assert "99" in message and "4" in message


@pytest.mark.parametrize(
    ("node", "name", "value", "expected"),
    [
        ("model", "model", "not there", "not there"),
        ("model", "model", [], "Expected names of a model"),
        ("decode", "steps", 0, "smaller than min"),
        ("decode", "preset", "best", "not in"),
        ("source", "inversion_steps", "many", "INT"),
        ("pose", "source", ["photo", 0], "IMAGE"),
        ("codes", "pose", ["source", 0], "DIFFUSIONACT_SOURCE"),
    ],
)
def test_a_wrong_input_is_rejected_before_anything_runs(comfyui_server, inputs, node, name, value, expected):
    graph = reenactment(comfyui_server, "short.mp4")
    graph.set(node, **{name: value})
    with pytest.raises(WorkflowRejectedError) as caught:
        comfyui_server.queue(graph.prompt)
    assert caught.value.node_errors.keys() == {node}
    assert expected in " ".join(caught.value.node_errors[node])


@pytest.mark.parametrize(("node_type", "name"), [("LoadModel", "model"), ("LoadPose", "file"), ("LoadSource", "file")])
def test_a_name_that_is_missing_is_asked_for(comfyui_server, node_type, name):
    graph = Graph(comfyui_server)
    graph.add("node", f"DiffusionAct_{node_type}")
    graph.prompt["node"]["inputs"].pop(name, None)
    graph.add("show", "PreviewAny", source=["node", 0])
    with pytest.raises(WorkflowRejectedError) as caught:
        comfyui_server.queue(graph.prompt)
    assert "Required input is missing" in " ".join(caught.value.node_errors["node"])
    assert "Exception" not in str(caught.value)


def test_nothing_in_place_of_a_name_is_named(comfyui_server):
    graph = Graph(comfyui_server)
    graph.add("node", "DiffusionAct_LoadSource", file=None)
    graph.add("show", "PreviewAny", source=["node", 0])
    node, message = error_of(comfyui_server, graph)
    assert node == "node" and "Expected" in message and "None" in message


def test_a_value_in_place_of_a_link_is_named(comfyui_server, inputs):
    graph = reenactment(comfyui_server, "short.mp4")
    graph.set("codes", pose="a pose")
    node, message = error_of(comfyui_server, graph)
    assert node == "codes"
    assert "Expected DIFFUSIONACT_POSE" in message and "'a pose'" in message
