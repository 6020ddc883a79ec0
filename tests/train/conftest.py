"""Tiny shards, and tiny runs over them."""

from pathlib import Path

import pytest
from tiny_runs import write_config
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


@pytest.fixture
def write_run(tmp_path, shard_folder):
    """Write the config of a tiny run; returns its path. Keywords replace keys of the loop section."""

    def write(name: str = "run", stage: str = "pretrain_diffae", settings: dict | None = None, **loop) -> Path:
        return write_config(tmp_path, shard_folder, name, stage, settings, **loop)

    return write
