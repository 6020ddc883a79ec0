"""The nodes' classes inside a real ComfyUI, without its server: memory, interruption, values on sockets."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from comfyui_process import PACK_FOLDER, copy_pack

PROBES = Path(__file__).with_name("nodes_probe.py")


@pytest.fixture(scope="module")
def probing(comfyui_installation, comfyui_base):
    """nodes_probe.py in ComfyUI's Python, waiting for names of probes."""
    if not (comfyui_base / "custom_nodes" / PACK_FOLDER).exists():
        copy_pack(comfyui_base / "custom_nodes" / PACK_FOLDER)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
    with subprocess.Popen(
        [comfyui_installation.python, PROBES, comfyui_installation.comfyui, comfyui_base],
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def probe(probing):
    """Run one function of nodes_probe.py; returns what it found."""

    def run(name: str) -> dict:
        probing.stdin.write(f"{name}\n")
        probing.stdin.flush()
        said = next((line for line in probing.stdout if line.startswith("PROBE ")), None)
        assert said, f"the process ended with {probing.wait()}"
        found = json.loads(said.removeprefix("PROBE "))
        assert "failed" not in found, found
        return found

    return run


def test_out_of_memory_makes_chunks_smaller_and_images_the_same(probe):
    found = probe("out_of_memory")
    assert found["sizes"] == [4, 2, 2, 2, 2, 1, 1]
    assert found["frames"] == 5
    assert found["difference"] < 1e-5


def test_the_chunk_size_does_not_change_the_images(probe):
    assert all(difference < 1e-5 for difference in probe("chunk_sizes").values())


def test_cancel_stops_within_the_running_unet_call(probe):
    assert probe("interruption") == {"calls": 3, "raised": "InterruptProcessingException"}


def test_cancel_stops_the_search_for_a_face_within_a_frame(probe):
    assert probe("interruption_while_tracking") == {"frames": 3, "raised": "InterruptProcessingException"}


def test_a_resized_face_is_pasted_and_a_cut_one_is_explained(probe):
    found = probe("odd_images")
    assert found["beyond"] and found["low"] >= 0
    assert "Expected square reenacted faces" in found["cut"]
    assert "received an empty batch" in found["empty"]


def test_faces_are_read_where_all_operators_are(probe):
    assert probe("warping_devices") == {"cuda:0": "cuda:0", "mps": "cpu", "cpu": "cpu"}


def test_a_model_without_networks_lies_where_it_works(probe):
    assert probe("photo_device") == {"works": "cpu", "lies": ["cpu"], "managed": False}


def test_comfyui_counts_the_memory_of_every_network_once(probe):
    found = probe("memory_size")
    assert found["told"] == found["real"]


def test_a_model_that_does_not_fit_is_fetched_layer_by_layer(probe):
    found = probe("low_memory")
    assert found["unloaded"] == 0, "Unload Models gives everything back"
    assert found["partial"]
    assert found["fetched"] > 10
    assert 0.1 < found["loaded"] < 0.34
    assert found["difference"] < 1e-5


def test_comfyuis_face_landmarks_replace_the_tracker(probe):
    found = probe("landmarks")
    assert found["apart"] < 0.05
    assert found["turned"] > 1.0, "the clip moves"


def test_a_bounding_box_chooses_among_several_faces(probe):
    found = probe("bounding_box")
    assert found["without"] == pytest.approx(0.25, abs=0.05)
    assert found["with"] == pytest.approx(0.85, abs=0.05)


def test_nodes_leave_their_inputs_alone_and_repeat_themselves(probe):
    assert probe("values_stay") == {"inputs_same": True, "results_same": True, "devices": ["cpu"]}


def test_one_of_several_faces_of_a_video_changes(probe):
    found = probe("faces_of_a_clip")
    assert (found["frames"], found["sound"]) == (1, True)
    stays, changes = found["halves"]
    assert changes > 2 * stays and stays < 0.02, "but for the encoding of the video"


def test_sliders_keep_few_sources_and_one_row_of_a_clip(probe):
    assert probe("kept_edits") == {"sources": 4, "rows": [1.0]}
