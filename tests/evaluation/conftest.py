"""Two people of three frames each, as shards, and a tiny network of face recognition."""

from pathlib import Path

import pytest
import torch
from evaluation_data import shard_frame, write_data, write_tiny_arcface

from diffusionact.data.shards import ShardFrame
from diffusionact.face.geometry.alignment import align_face
from diffusionact.face.readers.open.tracking import OpenFaceTracker


@pytest.fixture(scope="session")
def people(portrait: torch.Tensor) -> dict[str, list[ShardFrame]]:
    """A person, and the same mirrored in other colours; frames move sideways."""
    landmarks = OpenFaceTracker("largest", "error").observe(portrait[None]).landmarks[0]
    aligned, _ = align_face(portrait, landmarks, 256)
    images = {"ann": aligned, "bob": aligned.flip(1)[..., [2, 1, 0]]}
    return {
        person: [shard_frame(image.roll(6 * number, dims=1), person, number) for number in range(3)]
        for person, image in images.items()
    }


@pytest.fixture(scope="session")
def data_folder(people: dict[str, list[ShardFrame]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards with a video each; do not write into it."""
    return write_data(tmp_path_factory.mktemp("data"), people)


@pytest.fixture(scope="session")
def identity_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ArcFace with four channels and random weights."""
    return write_tiny_arcface(tmp_path_factory.mktemp("identity") / "arcface.safetensors")
