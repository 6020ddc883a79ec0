"""From nothing to a reenacted clip: synthetic portraits, all four stages, evaluation, use.

Portraits and the first stage are made by processes of their own, as users start them; what follows is called here, as
starting anew would take most of the time.
"""

import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
import yaml
from test_train_loop import train

from diffusionact.cli import main

ROOT = Path(__file__).resolve().parents[2]
DEMO_MEDIA = ROOT / "diffusionact" / "demo" / "media"
SIZE = 32
NETWORKS = {
    "unet": {"patch_size": 4, "block_out_channels": [8, 8], "time_dim": 8, "norm_groups": 4},
    "semantic_encoder": {
        "patch_size": 4,
        "block_out_channels": [8, 8],
        "semantic_dim": 16,
        "pool_size": 2,
        "norm_groups": 4,
    },
}
FEW_STEPS = {
    "num_inference_steps": [2],
    "num_inversion_steps": 2,
    "validation_images": 2,
    "validation_pairs": 2,
    "validation_steps": 2,
    "validation_inversion_steps": 2,
}


def run(*command: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def make_stage(folder: Path, stage: str, settings: dict, launch: bool = False) -> Path:
    """Run a stage, on request by `accelerate launch`; returns its model folder."""
    values = {
        "stage": stage,
        "run_folder": str(folder / stage),
        "data": {"folder": str(folder / "shards"), "sample_size": SIZE, "validation_every": 4},
        "loop": {"cpu": True, "mixed_precision": "bf16", "max_steps": 2, "batch_size": 4, "validate_every": 2},
        "settings": settings,
    }
    path = folder / f"{stage}.yaml"
    path.write_text(yaml.safe_dump(values))
    if launch:
        launcher = Path(sys.executable).with_name("accelerate")
        run(str(launcher), "launch", "--cpu", "--num_processes", "1", "train/train.py", "--config", str(path))
    else:
        train(path)
    assert (folder / stage / "images/step-0000002.png").is_file()
    return folder / stage / "model"


@pytest.mark.slow
def test_from_nothing_to_a_reenacted_clip(tmp_path):
    shards = ("--identities", "8", "--frames", "4", "--size", str(SIZE), "--workers", "1", "--output")
    run(sys.executable, "-m", "portraits", *shards, str(tmp_path / "shards"))
    settings = {**NETWORKS, "validation_images": 2, "validation_steps": 2}
    diffae = make_stage(tmp_path, "pretrain_diffae", settings, launch=True)
    assert (diffae / "unet/config.json").is_file()
    few = {"model_folder": str(diffae), "validation_images": 2, "validation_pairs": 2, "validation_steps": 2}
    first = make_stage(tmp_path, "pretrain_encoder", few)
    second = make_stage(tmp_path, "train_encoder", {**FEW_STEPS, "model_folder": str(first)})
    third = make_stage(tmp_path, "finetune_decoder", {**FEW_STEPS, "model_folder": str(second)})
    report = tmp_path / "report"
    few_pairs = (
        "--protocol",
        "self",
        "--videos",
        "1",
        "--frames-per-video",
        "2",
        "--steps",
        "2",
        "--inversion-steps",
        "2",
    )
    held_out = ("--data", str(tmp_path / "shards"), "--output", str(report))
    assert main(["evaluate", "--model", str(third), *held_out, *few_pairs]) == 0
    assert "PSNR" in (report / "report.md").read_text(encoding="utf-8")
    clip = tmp_path / "clip.mp4"
    media = [str(DEMO_MEDIA / name) for name in ("source.png", "driving.mp4")]
    steps = ("--steps", "2", "--inversion-steps", "2", "--end", "0.4")
    assert main(["reenact", *media, "-o", str(clip), "--model", str(third), *steps]) == 0
    with av.open(str(clip)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10
