"""Does a trained A turn heads? Yaw, pitch and roll of the outputs against the drivers', read by a network it never saw.

    python -m train.stages.directions.turning MODEL --data SHARDS --sheet SHEET.png

For models of synthetic portraits. The change of the face comes from `PortraitMeasure`, with which such an A is trained;
the outputs are read by the bundled judge, another network with other weights; what the drivers do is known exactly.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.generation import load_engine
from diffusionact.generation.directions import DirectionsEngine
from diffusionact.generation.face_parameters import ANGLES_DEG, LIMIT, PARAMETERS, parameters_of
from diffusionact.images import resize, save_png, uint8_to_model
from diffusionact.perception import PortraitNet, load_portrait_net

from ...data.frames import Frames
from ...data.pairs import held_out_pairs
from ..validation import image_grid
from .portrait_measure import PortraitMeasure

SHEET_YAWS_DEG = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
SHEET_SIDE = 128


def figures_of(expected: np.ndarray, received: np.ndarray) -> dict[str, float]:
    """Correlation, slope of the line, and mean absolute difference of two series (N,)."""
    return {
        "correlation": float(np.corrcoef(expected, received)[0, 1]),
        "slope": float(np.polyfit(expected, received, 1)[0]),
        "mean_difference_deg": float(np.abs(expected - received).mean()),
    }


class Turning:
    """Moves portraits along a model's directions.

    Args:
        engine: of the model.
        measure: reads sources and drivers.
    """

    def __init__(self, engine: DirectionsEngine, measure: PortraitMeasure):
        self.engine, self.measure = engine, measure

    def parameters(self, images: Tensor) -> Tensor:
        """Normalised parameters (B, 15) of images (B, 3, S, S)."""
        coefficients = self.measure.coefficients(images, self.measure.find(images)[0])
        return parameters_of(coefficients, self.engine.components.of_named_values)

    def moved(self, images: Tensor, change: Tensor) -> Tensor:
        """Images (B, 3, S, S) with their parameters changed by (B, 15)."""
        return self._drawn(self.engine.directions.shift(self.engine.inversion_encoder(images), change))

    def unmoved(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) encoded and drawn again."""
        return self._drawn(self.engine.inversion_encoder(images))

    def _drawn(self, w_plus: Tensor) -> Tensor:
        return self.engine.generator(self.engine.truncate(w_plus)).clamp(-1.0, 1.0)


@torch.no_grad()
def measure_turning(turning: Turning, judge: PortraitNet, frames: Frames, pairs: int) -> dict:
    """Figures of each angle over pairs of held-out frames: outputs against drivers, and sources drawn unmoved."""
    sources, targets = every_pair(frames, pairs)
    source, target = (as_images(frames, chosen) for chosen in (sources, targets))
    output = turning.moved(source, turning.parameters(target) - turning.parameters(source))
    unmoved = turning.unmoved(source)
    truth = frames.facts("head_pose")
    read = {name: judge(images).head_pose.numpy() for name, images in (("output", output), ("unmoved", unmoved))}
    return {"pairs": len(sources)} | {
        angle: {
            "output_follows_driver": figures_of(truth[targets, column], read["output"][:, column]),
            "unmoved_shows_source": figures_of(truth[sources, column], read["unmoved"][:, column]),
            "driver_and_source": float(np.corrcoef(truth[targets, column], truth[sources, column])[0, 1]),
        }
        for column, angle in enumerate(ANGLES_DEG)
    }


@torch.no_grad()
def turning_sheet(turning: Turning, frames: Frames, rows: int) -> Tensor:
    """(H, W, 3) uint8: rows of a held-out source, the source drawn again, and turned to `SHEET_YAWS_DEG`."""
    sources, _ = held_out_pairs(frames.video, frames.validation, rows, 0)
    source = as_images(frames, sources)
    own = turning.parameters(source)
    columns = [source, turning.unmoved(source)]
    for yaw in SHEET_YAWS_DEG:
        change = torch.zeros_like(own)
        # The official yaw has the opposite sign of a head pose's.
        change[:, PARAMETERS.index("yaw")] = -yaw * LIMIT / ANGLES_DEG["yaw"] - own[:, PARAMETERS.index("yaw")]
        columns.append(turning.moved(source, change))
    large = [resize(column, SHEET_SIDE) for column in columns]
    return image_grid([torch.stack(row) for row in zip(*large, strict=True)])


def every_pair(frames: Frames, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to `count` held-out sources, each with another frame of its video as the driver; always the same."""
    random = np.random.default_rng(0)
    pairs = []
    for source in random.permutation(frames.validation)[:count]:
        others = frames.validation[frames.video[frames.validation] == frames.video[source]]
        if len(others) > 1:
            pairs.append((source, random.choice(others[others != source])))
    sources, targets = zip(*pairs, strict=True)
    return np.array(sources), np.array(targets)


def as_images(frames: Frames, chosen: np.ndarray) -> Tensor:
    """Frames (B, 3, S, S) in [-1, 1]."""
    return uint8_to_model(frames.images("image", chosen))


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m train.stages.directions.turning", description=__doc__)
    parser.add_argument("model", help="model folder of the engine `directions`")
    parser.add_argument("--data", required=True, help="shards of synthetic portraits, of the model's size")
    parser.add_argument("--validation-every", type=int, default=50, help="as in training: who is held out")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--sheet", type=Path, help="PNG of turned heads")
    parser.add_argument("--rows", type=int, default=6, help="sources of the sheet")
    options = parser.parse_args()
    engine = load_engine(options.model)
    if not isinstance(engine, DirectionsEngine):
        parser.error(f"expected a model of the engine 'directions', received one of {engine.name!r}")
    frames = Frames(options.data, engine.sample_size, options.validation_every)
    turning = Turning(engine, PortraitMeasure(load_portrait_net("loss"), OpenFaceModel.from_bundled()))
    print(json.dumps(measure_turning(turning, load_portrait_net("judge"), frames, options.pairs), indent=1))
    if options.sheet:
        save_png(options.sheet, turning_sheet(turning, frames, options.rows))


if __name__ == "__main__":
    main()
