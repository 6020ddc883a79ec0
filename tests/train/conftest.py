"""Tiny shards of coloured squares, and tiny runs over them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from diffusionact.data.shards import ShardFrame, write_index, write_shard

EXPRESSION_NAMES = ["jawOpen", "eyeBlinkLeft", "eyeBlinkRight", *(f"action{number}" for number in range(49))]


def make_frame(identity: int, frame: int, random: np.random.Generator, colour: np.ndarray, size: int) -> ShardFrame:
    left, top = random.integers(1, size // 3, 2)
    half = size // 2
    image = np.full((size, size, 3), 40, dtype=np.uint8)
    image[top : top + half, left : left + half] = colour
    labels = np.zeros((size, size), dtype=np.uint8)
    labels[top : top + half, left : left + half] = 2
    landmarks = random.uniform(0, half - 1, (68, 2)) + (left, top)
    name = f"{identity:06d}"
    return ShardFrame(
        identity=name,
        video=name,
        clip=name,
        frame=frame,
        landmarks=landmarks,
        pupils=landmarks[[36, 42]],
        head_pose=random.uniform(-20, 20, 3),
        gaze=random.uniform(-0.3, 0.3, 2),
        expression=random.uniform(0, 1, 52),
        image=image,
        labels=labels,
    )


def make_frames(identities: range, frames: int, size: int) -> Iterator[ShardFrame]:
    """Every identity has a colour of its own, every frame another position of the face."""
    for identity in identities:
        random = np.random.default_rng(identity)
        colour = random.integers(0, 256, 3)
        for frame in range(frames):
            yield make_frame(identity, frame, random, colour, size)


def write_shards(folder: Path, size: int = 16) -> None:
    """Two shards of four identities each."""
    folder.mkdir(parents=True, exist_ok=True)
    write_index(folder, EXPRESSION_NAMES, {})
    for shard in range(2):
        write_shard(folder / f"shard-{shard:05d}.tar", make_frames(range(4 * shard, 4 * shard + 4), 3, size))


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory) -> Path:
    """Tiny shards, decoded at most once a session."""
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder)
    return folder


@pytest.fixture(scope="session")
def large_shard_folder(tmp_path_factory) -> Path:
    """The same at 32 px."""
    folder = tmp_path_factory.mktemp("large_shards")
    write_shards(folder, 32)
    return folder


TINY_NETWORKS = {
    "unet": {"patch_size": 2, "block_out_channels": [8, 8], "time_dim": 8, "norm_groups": 4},
    "semantic_encoder": {
        "patch_size": 2,
        "block_out_channels": [8, 8],
        "semantic_dim": 8,
        "pool_size": 2,
        "norm_groups": 4,
    },
    "validation_images": 2,
    "validation_steps": 2,
}


@pytest.fixture
def write_run(tmp_path, shard_folder):
    """Write the config of a tiny run; returns its path. Keywords replace keys of the loop section."""

    def write(name: str = "run", stage: str = "pretrain_diffae", settings: dict | None = None, **loop) -> Path:
        limits = {"max_steps": 4, "batch_size": 4, "validate_every": 0, "log_every": 1, "checkpoint_every": 2}
        values = {
            "stage": stage,
            "run_folder": str(tmp_path / name),
            "data": {"folder": str(shard_folder), "sample_size": 16, "validation_every": 4},
            "optimiser": {"warm_up_steps": 1},
            "loop": {"cpu": True, "mixed_precision": "no", **limits, **loop},
            "settings": TINY_NETWORKS if settings is None else settings,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write
