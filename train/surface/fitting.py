"""Fits the model to pairs: `python -m train.surface.fitting RUN --rendered A --returned B --filmed C`. Resumable."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ..experiments.arguments import check_count, input_errors_as_messages
from ..experiments.guided_fitting import Fitting, GuidedLoss, fit
from ..experiments.shards import joined, load_shards
from .network import SurfaceInput, SurfaceModel
from .pairs import MAX_MISS, SurfacePairs

LEARNING_RATE, WARM_UP_STEPS = 1e-3, 40
# Pairs that hardly need anything, px of the crop.
MIN_GATE_PX = 150.0
CONTRAST, EXPOSURE, TINT = 0.15, 0.1, 0.03
# Share of the samples at pure noise, where one step begins: a short run has no time to learn the noise between.
ONE_STEP = 1.0
# Of a batch: rendered people, photos warped there and back, clips.
BATCH = {"rendered": 2, "returned": 2, "filmed": 1}
CODE_BATCH = 32


class PairSet:
    """All pairs of a folder in memory that are good to learn from.

    Args:
        folder: of shards.
        model: makes the codes.

    Raises:
        ValueError: if it holds none.
    """

    def __init__(self, folder: Path, model: SurfaceModel):
        parts = [pairs for _, pairs in load_shards(sorted(folder.glob("*.safetensors")), SurfacePairs)]
        values = joined(parts).tensors() if parts else {}
        if parts:
            values["gate"] = (values["gate"].float() * values["known"].float() / 255).round().to(torch.uint8)
            good = (values["miss"] < MAX_MISS) & (values["gate"].float().sum(dim=(1, 2, 3)) > 255 * MIN_GATE_PX)
            values = {name: value[good] for name, value in values.items()}
        if not parts or not len(values["warped"]):
            raise ValueError(
                f"Expected shards with pairs in {folder}, received {len(parts)} people and no pair that is good "
                f"enough; make them with train.surface.rendered, train.surface.returned or train.surface.filmed."
            )
        self.pairs = SurfacePairs(**values)
        rows = torch.arange(len(self)).split(CODE_BATCH)
        own = (self.pairs.own[part].float() / 127.5 - 1 for part in rows)
        marks = ((self.pairs.landmarks[part], self.pairs.pupils[part]) for part in rows)
        self.code = torch.cat([model.look(image, *points) for image, points in zip(own, marks, strict=True)])

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, rows: Tensor) -> tuple[SurfaceInput, Tensor]:
        """What the model is given of some frames, and their truth (B, 3, S, S) in [-1, 1]."""
        warped, truth = (layer[rows].float() / 127.5 - 1 for layer in (self.pairs.warped, self.pairs.truth))
        confidence, told, gate = (
            layer[rows].float() / 255 for layer in (self.pairs.confidence, self.pairs.told, self.pairs.gate)
        )
        return SurfaceInput(warped, confidence, told, gate, self.code[rows]), truth


def augmented(given: SurfaceInput, truth: Tensor, generator: torch.Generator) -> tuple[SurfaceInput, Tensor]:
    """Frames half of which are mirrored, in another exposure, contrast and tint.

    A mirrored frame has no code, so that faces cannot be learnt by heart from it alone.
    """
    count = len(truth)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    mirrored = torch.rand(count, generator=generator) < 0.5

    def moved(image: Tensor) -> Tensor:
        return torch.where(mirrored[:, None, None, None], image.flip(-1), image)

    gain = (CONTRAST * normal(count, 1, 1, 1)).exp()
    offset = EXPOSURE * normal(count, 1, 1, 1) + TINT * normal(count, 3, 1, 1)

    def relit(image: Tensor) -> Tensor:
        return (gain * moved(image) + offset).clamp(-1, 1)

    parts = SurfaceInput(
        relit(given.warped),
        moved(given.confidence),
        moved(given.told),
        moved(given.gate),
        torch.where(mirrored[:, None], 0.0, given.code),
    )
    return parts, relit(truth)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    for name in BATCH:
        parser.add_argument(f"--{name}", type=Path, help=f"shards of train.surface.{name}")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[], help="folders of shards of other people")
    parser.add_argument("--steps", type=int, default=4000, help="default: %(default)s")
    parser.add_argument("--bfloat16", action="store_true", help="twice as fast on processors that know it")
    options = parser.parse_args()
    folders = {name: getattr(options, name) for name in BATCH if getattr(options, name)}
    if not folders:
        parser.error(
            "expected --rendered, --returned or --filmed, received none; make pairs with train.surface.rendered"
        )
    check_count(parser, "steps", options.steps)
    torch.set_num_threads(1)
    with input_errors_as_messages(parser):
        state = Fitting(options.run, SurfaceModel, LEARNING_RATE, WARM_UP_STEPS)
        sets = [(PairSet(folder, state.model), BATCH[name]) for name, folder in folders.items()]
        held_out = {folder.name: PairSet(folder, state.model) for folder in options.held_out}
    print({name: len(pairs) for name, (pairs, _) in zip(folders, sets, strict=True)}, flush=True)
    fit(state, GuidedLoss(ONE_STEP), augmented, sets, held_out, options.steps, options.bfloat16)


if __name__ == "__main__":
    main()
