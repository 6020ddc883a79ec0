"""DECA as "Finding Directions" reads it: official crops and codes, and a reader of square crops."""

import numpy as np
import pytest
import torch
from directions_rule import official_state
from official_rule import image_input
from tiny_official import make_tiny_deca

from diffusionact.conversion.face_network_names import face_network_state
from diffusionact.face.geometry.square_crop import square_crop
from diffusionact.face.pose.options import PoseOptions
from diffusionact.face.readers.emoca import build_network
from diffusionact.face.readers.emoca.crops import crop_for_deca
from diffusionact.face.readers.emoca.face_measuring import find_landmarks
from diffusionact.face.readers.emoca.flame import official_angles
from diffusionact.images import uint8_to_model


@pytest.fixture(scope="module")
def reader():
    return make_tiny_deca()


@pytest.mark.parametrize("name", ["a", "b"])
def test_crops_of_deca_agree_with_the_official_code(golden_fd, compare, name):
    golden = np.load(golden_fd / "deca.npz")
    image = 1.1 * image_input("input/image", (1, 3, 256, 256))  # the range is clamped
    crop = crop_for_deca(image, torch.from_numpy(golden[f"{name}_landmarks"])[None])
    compare(f"DECA crop {name}", crop[0, :, ::4, ::4], golden[f"{name}_crop_s4"], 2e-4)


@pytest.mark.slow
@torch.inference_mode()
def test_codes_and_angles_agree_with_the_official_code(golden_fd, compare):
    golden = np.load(golden_fd / "deca.npz")
    state = official_state(golden_fd / "manifests.json", "E_flame")
    encoder = build_network("deca_encoder", face_network_state("deca_encoder", state, "rule"), "rule")
    image = 1.1 * image_input("input/image", (1, 3, 256, 256))  # the range is clamped
    for name in ("a", "b"):
        codes = encoder(crop_for_deca(image, torch.from_numpy(golden[f"{name}_landmarks"])[None]))
        compare(f"DECA pose {name}", codes.pose, golden[f"{name}_pose"], 2e-4)
        compare(f"DECA expression {name}", codes.expression, golden[f"{name}_exp"], 2e-4)
        compare(f"DECA angles {name}, deg", official_angles(codes.pose[:, :3]), golden[f"{name}_angles"], 1e-3)


def test_a_source_is_cut_as_a_square_that_is_not_turned(reader, portrait):
    source = reader.read_source(portrait, "largest")
    found = find_landmarks(reader.networks, uint8_to_model(portrait[None]), reader.faces_in(portrait)[0])
    expected, crop = square_crop(portrait, found[0], 256)
    assert torch.equal(source.aligned, expected)
    assert torch.equal(source.face.crop.matrix, crop.matrix)
    assert torch.equal(crop.matrix[0, 0, 1], torch.tensor(0.0))


def test_expression_is_decas_own_and_gaze_is_straight(reader, portrait):
    face = reader.read_source(portrait, "largest").face
    image = uint8_to_model(reader.read_source(portrait, "largest").aligned[None])
    code = reader.networks.deca_encoder.encoder(crop_for_deca(image, face.observation.landmarks))
    torch.testing.assert_close(face.coefficients.expression[:, :50], code[:, 150:200])
    torch.testing.assert_close(face.coefficients.expression[:, 50:], code[:, 203:206])
    assert not face.observation.gaze.any()


def test_a_clip_with_a_dark_frame_is_read(reader, portrait):
    clip = torch.stack([portrait, torch.zeros_like(portrait), portrait.roll(8, 1)])
    faces = list(reader.read(clip, PoseOptions(smoothing=0.0), 25.0))
    assert [bool(face.observation.found) for face in faces] == [True, False, True]
