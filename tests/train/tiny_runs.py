"""Configs of training runs of a few steps with networks of a few channels."""

from pathlib import Path

import yaml

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


def write_config(
    folder: Path, shards: Path, name: str, stage: str = "pretrain_diffae", settings: dict | None = None, **loop
) -> Path:
    """Write the config of a tiny run into a folder."""
    limits = {"max_steps": 4, "batch_size": 4, "validate_every": 0, "log_every": 1, "checkpoint_every": 2}
    values = {
        "stage": stage,
        "run_folder": str(folder / name),
        "data": {"folder": str(shards), "sample_size": 16, "validation_every": 4},
        "optimiser": {"warm_up_steps": 1},
        "loop": {"cpu": True, "mixed_precision": "no", **limits, **loop},
        "settings": TINY_NETWORKS if settings is None else settings,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path
