"""How closely the paper backend follows the official code: every stored output of it against ours, as one table.

    python -m benchmarks.official_parity [--parts] [--long GOLDEN_FOLDER] [--work FOLDER]

`--parts` runs the tests that compare with outputs of the official code and gathers what they measured. `--long` runs
the whole procedure, 50 inversion and 20 decoding steps at 256 px: about 10 minutes on one CPU core. GOLDEN_FOLDER holds
those outputs, for weights filled by a rule (`tests/official_rule.py`), since the authors' own may not be passed on.
Writes benchmarks/results/official_parity.json and keeps the rows of what was not run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusionact import DiffusionActPipeline
from diffusionact.conversion.official import convert_official
from diffusionact.face.pose.landmark_map import draw_landmark_map
from tests.official_rule import image_input, write_official_checkpoint

RESULTS = Path(__file__).with_name("results") / "official_parity.json"
TESTS = (
    "tests/face/emoca",
    "tests/face/geometry/test_geometry_alignment.py",
    "tests/face/pose/test_pose_landmark_map.py",
    "tests/conversion/test_conversion_golden.py",
)
IMAGE = (1, 3, 256, 256)
EVERY_FOURTH = (slice(None), slice(None), slice(None, None, 4), slice(None, None, 4))
INVERSION_STEPS = 50
STEPS = 20
Row = dict[str, str | float]


class Gatherer:
    """Keeps what the fixture `compare` of the tests recorded."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after each phase of each test."""
        if report.when == "call":
            self.rows += [{"quantity": name} | dict(value) for name, value in report.user_properties]


def part_rows() -> list[Row]:
    """Rows of the tests against the official outputs, which must pass.

    Raises:
        RuntimeError: if a test fails.
    """
    gatherer = Gatherer()
    code = pytest.main([*TESTS, "-q", "-s"], plugins=[gatherer])
    if code:
        raise RuntimeError(f"Expected the tests against the official outputs to pass, received exit code {code}.")
    return gatherer.rows


def long_rows(golden: Path, work: Path) -> list[Row]:
    """The whole procedure against the official x_T and image."""
    faces, stored = np.load(golden / "loops.npz"), np.load(golden / "long.npz")
    pipeline, image = official_pipeline(golden, work), image_input("input/image", IMAGE)
    with torch.inference_mode():
        own = pipeline.reenactment_encoder(image, landmark_map(faces, "source"))
        x_T = pipeline.invert(image, own, INVERSION_STEPS, reporter("inversion"))
        edited = pipeline.reenactment_encoder(image, landmark_map(faces, "target"))
        final = pipeline.sample(x_T, edited, STEPS, on_step=reporter("decoding"))
    return [
        difference("semantic code of the source's own pose", own, stored["z_source_hat"], 1e-5),
        difference("semantic code of the driver's pose", edited, stored["z_edit"], 1e-5),
        difference("x_T after 50 inversion steps", x_T[EVERY_FOURTH], stored["xT_s4"], 2e-4),
        difference("image after 50 + 20 steps", final[EVERY_FOURTH], stored["final_s4"], 5e-3),
    ]


def official_pipeline(golden: Path, work: Path) -> DiffusionActPipeline:
    """The full-size model: checkpoint by rule in the authors' layout, converted, loaded in float32."""
    if not (work / "model" / "model_index.json").is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_official_checkpoint(work / "diffusionact_model.pt", golden / "manifests.json")
        convert_official(work / "diffusionact_model.pt", work / "model")
        (work / "diffusionact_model.pt").unlink()
    return DiffusionActPipeline.from_pretrained(work / "model", torch.float32, "cpu")


def landmark_map(golden: np.lib.npyio.NpzFile, whose: str) -> Tensor:
    """Map of the stored landmarks; the official code calls the subject's right eye, points 36 to 41, left."""
    pupils = np.stack([golden[f"left_eye_{whose}"], golden[f"right_eye_{whose}"]])[None]
    landmarks = torch.from_numpy(golden[f"landmarks_{whose}"])[None]
    return draw_landmark_map(landmarks, torch.from_numpy(pupils).float(), 256)


def difference(quantity: str, ours: Tensor, golden: np.ndarray, allowed: float) -> Row:
    """Largest and mean difference of two arrays of the same shape."""
    distance = (ours.double() - torch.from_numpy(golden).double().reshape(ours.shape)).abs()
    return {"quantity": quantity, "worst": distance.max().item(), "mean": distance.mean().item(), "allowed": allowed}


def reporter(what: str) -> Callable[[int, int], None]:
    """Prints every step with the time since the first."""
    started = time.perf_counter()

    def on_step(done: int, total: int) -> None:
        print(f"{what} {done}/{total}, {time.perf_counter() - started:.0f} s", flush=True)

    return on_step


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", action="store_true", help="every part on its own")
    parser.add_argument("--long", type=Path, metavar="GOLDEN_FOLDER", help="50 + 20 steps")
    parser.add_argument("--work", type=Path, default=Path("output/official_parity"), help="keeps the converted model")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if options.parts:
        results["parts"] = part_rows()
    if options.long:
        results["long"] = long_rows(options.long, options.work)
    for section, rows in results.items():
        print(f"\n{section}\n\n| quantity | allowed | largest difference | mean |\n|---|---|---|---|")
        for row in rows:
            print(f"| {row['quantity']} | {row['allowed']:.0e} | {row['worst']:.1e} | {row['mean']:.1e} |")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
