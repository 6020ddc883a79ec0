"""The made-up set of the authors' files has the authors' layout, and comes in at full size."""

import json
import pickletools
import shutil

import numpy as np
import pytest
import torch
from official_files import FULL, gaze_layout, model_layout, official_layout, write_all
from official_head import FULL_GRID, head_arrays

from diffusionact.conversion import official
from diffusionact.conversion.importing import import_files
from diffusionact.face.readers.emoca import load_emoca_networks
from diffusionact.face.readers.emoca.coefficient_encoders import CoefficientEncoders
from diffusionact.face.readers.emoca.face_detector import FaceDetector
from diffusionact.face.readers.emoca.gaze_net import GazeNet
from diffusionact.face.readers.emoca.landmark_net import LandmarkNet


@pytest.fixture(scope="module")
def manifests(golden_dir):
    """File -> official key -> shape."""
    content = json.loads((golden_dir / "manifests.json").read_text())
    return {
        name: {key: tuple(shape) for key, shape, _ in rows}
        for name, rows in content.items()
        if isinstance(rows, list) and rows and isinstance(rows[0], list)
    }


@pytest.fixture(scope="module")
def layouts():
    """The same, of the made-up files."""
    with torch.device("meta"):
        encoders = official_layout("encoders", CoefficientEncoders())
        return {
            "s3fd": official_layout("detector", FaceDetector()),
            "fan4": official_layout("landmark_net", LandmarkNet()),
            "gaze": gaze_layout(GazeNet(), FULL),
        } | {
            f"emoca_{part}": {
                key.removeprefix(f"deca.{part}."): shape
                for key, shape in encoders.items()
                if key.startswith(f"deca.{part}.")
            }
            for part in ("E_flame", "E_expression")
        }


@pytest.mark.parametrize("name", ["s3fd", "fan4", "gaze", "emoca_E_flame", "emoca_E_expression"])
def test_made_up_face_networks_have_the_official_keys_and_shapes(manifests, layouts, name):
    assert layouts[name] == manifests[name]


def test_made_up_models_have_every_key_and_shape_of_the_official_ones(manifests):
    networks = official.official_networks()
    net = model_layout("reenactment_encoder", networks["reenactment_encoder"])
    assert net == manifests["state_dict_net"]
    both = model_layout("inversion_unet", networks["unet"])
    both |= model_layout("semantic_encoder", networks["semantic_encoder"])
    assert {key.removeprefix("ema_model."): shape for key, shape in both.items()} == manifests["diffae_autoenc"]


def test_the_made_up_head_is_pickled_with_the_classes_of_the_real_one(tmp_path):
    write_all(tmp_path, FULL, ("flame",))
    content = (tmp_path / "FLAME" / "generic_model.pkl").read_bytes()
    named = {argument for code, argument, _ in pickletools.genops(content) if code.name == "GLOBAL"}
    assert {"chumpy.ch Ch", "scipy.sparse.csc csc_matrix", "numpy ndarray"} <= named
    arrays = head_arrays(FULL_GRID)
    count = FULL_GRID[0] * FULL_GRID[1]
    assert arrays["shapedirs"].shape == (count, 3, 400) and arrays["posedirs"].shape == (count, 3, 36)
    assert arrays["kintree_table"][0, 0] == 2**32 - 1 and np.allclose(arrays["weights"].sum(1), 1)


@pytest.mark.slow
def test_the_full_size_tracker_files_are_imported_and_load(tmp_path):
    try:
        write_all(tmp_path / "official", FULL, ("s3fd", "fan", "gaze", "emoca", "flame"))
        outcomes = import_files([tmp_path / "official"], tmp_path / "weights", progress=False)
        assert sum(outcome.status == "imported" for outcome in outcomes) == 5
        networks = load_emoca_networks(tmp_path / "weights" / "emoca")
        assert sum(p.numel() for p in networks.detector.parameters()) == 22_459_110
        assert sum(p.numel() for p in networks.landmark_net.parameters()) == 23_820_176
    finally:
        shutil.rmtree(tmp_path)
