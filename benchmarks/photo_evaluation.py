"""The photo model on clips of AI-made people, beside the copied source and the 68-point warp, by turn of the head.

    pip download --no-deps comfyui-workflow-templates-media-image comfyui-workflow-templates-media-video \
        comfyui-workflow-templates-media-other
    OMP_NUM_THREADS=1 python benchmarks/photo_evaluation.py FOLDER --output benchmarks/results/photo_evaluation.json

FOLDER holds these packages (MIT) unpacked; the clips are found in it by their names. An interrupted run goes on with
the same command.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.cli import main as diffusionact  # noqa: E402
from diffusionact.evaluation.report import RESULTS_NAME  # noqa: E402
from tools.template_media import find_media  # noqa: E402

# One adult each, alone in the picture; the first four are those of the first experiments with the warp.
CLIPS = (
    "video_ltx2_i2v-1",
    "video_ltx2_3_id_lora-1",
    "api_kling_avatar2-1",
    "wan2.1_fun_control-2",
    "template_image_speech_to_video-1",
    "video_wan2_2_14B_t2v-1",
    "api_kling_o3_flf2v-1",
)
# Whose figures are kept of each row.
ROW = ("label", "values", "errors", "frames", "without_face", "without_identity", "without_driver")


def main() -> int:
    """Evaluate, and write the tables as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the clips lie, at any depth")
    parser.add_argument("--report", type=Path, default=Path("runs/photo_evaluation"), help="default: %(default)s")
    parser.add_argument("--models", nargs="+", default=["photo"], metavar="NAME=PATH")
    parser.add_argument("--frames", type=int, default=12, help="of each clip (default: %(default)s)")
    parser.add_argument("--cross-pairs", type=int, default=10)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = ["evaluate", "--clips", *(str(find_media(options.folder, name)) for name in CLIPS)]
    words += ["-o", str(options.report), "--model", *options.models, "--protocol", "self", "cross", "temporal"]
    words += ["--frames-per-video", str(options.frames), "--cross-pairs", str(options.cross_pairs), "--device", "cpu"]
    code = diffusionact(words)
    if code == 0 and options.output:
        report = json.loads((options.report / RESULTS_NAME).read_text())
        options.output.write_text(json.dumps(summary(report, options), indent=1) + "\n")
    return code


def summary(report: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The tables without paths of this machine and without the paper's rows."""
    return {
        "machine": f"{platform.machine()}, one thread",
        "clips": CLIPS,
        "frames_per_clip": options.frames,
        "cross_pairs": options.cross_pairs,
        "size": report["settings"]["picture_size"],
        "identity": report["settings"]["identity"],
        "notes": [note.replace(str(Path.home()), "~") for note in report["notes"]],
        "tables": {
            table["name"]: [{key: row[key] for key in ROW} for row in table["rows"]] for table in report["tables"]
        },
    }


if __name__ == "__main__":
    sys.exit(main())
