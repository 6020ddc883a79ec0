"""Tiny shards, and tiny runs over them."""

from pathlib import Path

import pytest
import yaml
from tiny_shards import write_shards


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
