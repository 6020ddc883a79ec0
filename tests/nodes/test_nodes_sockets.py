"""What arrives at the sockets of the nodes: values of other nodes, not of the workflow's text."""

import pytest
import torch


@pytest.fixture
def check_socket(comfy_module):
    """The function under test."""
    return comfy_module("sockets").check_socket


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("DIFFUSIONACT_POSE", "a pose"),
        ("DIFFUSIONACT_CROP", {"scale": 1.2}),
        ("IMAGE", 0.5),
        ("VIDEO,IMAGE", [[1]]),
        ("AUDIO", {"waveform": []}),
        ("MASK", {}),
    ],
)
def test_values_of_the_workflow_are_rejected_with_their_input(check_socket, kind, value):
    with pytest.raises(ValueError, match=f"Expected {kind} from another node at the input it, received"):
        check_socket("it", kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("IMAGE", torch.zeros(1, 2, 2, 3)), ("AUDIO", {"waveform": torch.zeros(1, 1, 9)}), ("MASK", None), ("INT", 3)],
)
def test_values_of_nodes_and_widgets_pass(check_socket, kind, value):
    check_socket("it", kind, value)
