"""Fits the model to pairs: `python -m train.mouth.fitting RUN --filmed A --rendered B --held-out C`. Resumable."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..experiments.arguments import check_count, input_errors_as_messages
from ..experiments.guided_fitting import Fitting, GuidedLoss, fit
from ..experiments.shards import joined, load_shards
from .crops import CROP_SIZE, MouthPairs
from .network import MouthInput, MouthModel, distances, landmark_map

LEARNING_RATE, WARM_UP_STEPS = 1e-3, 40
# Share of the samples at pure noise, which is where one step begins.
ONE_STEP = 0.5
# Pairs under another light or of a cut, mean difference in levels; mouths that hardly open, cm; too coarse ones.
MAX_MISS, MIN_OPENING_CM, MIN_DETAIL = 22.0, 0.35, 0.4
# Skin lies so far outside the inner lips, px of the crop; exposures that differ by more are put right as far as this.
SKIN_PX, MAX_GAIN = -1.5, 1.5
CONTRAST, EXPOSURE, TINT = 0.25, 0.2, 0.06
SHIFT_PX, TURN, SCALE = 2.0, 0.1, 0.08


class PairSet:
    """All pairs of a folder in memory that are good to learn from.

    Args:
        folder: of shards.

    Raises:
        ValueError: if it holds none.
    """

    def __init__(self, folder: Path):
        parts = [pairs for _, pairs in load_shards(sorted(folder.glob("*.safetensors")), MouthPairs)]
        values = joined(parts).tensors() if parts else {}
        if parts:
            distance = distances(values["marks"].float())
            values["truth"], miss = in_one_light(values, distance)
            good = (miss < MAX_MISS) & (values["opening"][:, 0] > MIN_OPENING_CM) & (values["detail"] > MIN_DETAIL)
            values = {name: value[good] for name, value in values.items()}
        if not parts or not len(values["warped"]):
            raise ValueError(
                f"Expected shards with mouths in {folder}, received {len(parts)} people and no mouth that is good "
                f"enough; make them with train.mouth.filmed or train.mouth.rendered."
            )
        self.pairs = MouthPairs(**values)
        self.distance = distance[good].half()
        self.marks = (127.5 * (1 + torch.stack([landmark_map(marks) for marks in self.pairs.marks]))).to(torch.uint8)

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, rows: Tensor) -> tuple[MouthInput, Tensor]:
        """What the model is given of some mouths, and their truth (B, 3, S, S) in [-1, 1]."""
        warped, truth, own, marks = (
            layer[rows].float() / 127.5 - 1
            for layer in (self.pairs.warped, self.pairs.truth, self.pairs.own, self.marks)
        )
        confidence = self.pairs.confidence[rows].float() / 255
        return MouthInput(warped, own, confidence, self.distance[rows].float(), marks), truth


def in_one_light(values: dict[str, Tensor], distance: Tensor) -> tuple[Tensor, Tensor]:
    """The truth (N, 3, S, S) uint8 under the light of the warp's skin, and what (N,) it then misses, levels."""
    warped, truth = values["warped"].float(), values["truth"].float()
    skin = ((values["confidence"] > 127) & (distance < SKIN_PX)).float()
    area = skin.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    gain = (skin * warped).sum(dim=(2, 3), keepdim=True) / (skin * truth).sum(dim=(2, 3), keepdim=True).clamp(min=1)
    truth = (truth * gain.clamp(1 / MAX_GAIN, MAX_GAIN)).clamp(0, 255)
    miss = (skin * (warped - truth).abs().mean(1, keepdim=True)).sum(dim=(1, 2, 3)) / area.flatten()
    return truth.round().to(torch.uint8), miss


def augmented(given: MouthInput, truth: Tensor, generator: torch.Generator) -> tuple[MouthInput, Tensor]:
    """Mouths mirrored, moved, turned and scaled a little, in another exposure, contrast and tint."""
    count = len(truth)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    turn, scale = TURN * normal(count), (SCALE * normal(count)).exp()
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    linear = torch.stack([mirror * turn.cos(), -turn.sin(), mirror * turn.sin(), turn.cos()], dim=1)
    shift = (SHIFT_PX * 2 / CROP_SIZE) * normal(count, 2, 1)
    matrix = torch.cat([scale[:, None, None] * linear.view(count, 2, 2), shift], dim=2)
    grid = F.affine_grid(matrix, [count, 3, CROP_SIZE, CROP_SIZE], align_corners=False)

    def moved(image: Tensor, mode: str = "bilinear") -> Tensor:
        return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)

    gain = (CONTRAST * normal(count, 1, 1, 1)).exp()
    offset = EXPOSURE * normal(count, 1, 1, 1) + TINT * normal(count, 3, 1, 1)

    def relit(image: Tensor) -> Tensor:
        return (gain * moved(image, "bicubic") + offset).clamp(-1, 1)

    distance = moved(given.distance) / scale.view(-1, 1, 1, 1)
    parts = MouthInput(relit(given.warped), relit(given.own), moved(given.confidence), distance, moved(given.marks))
    return parts, relit(truth)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--filmed", type=Path, help="shards of clips")
    parser.add_argument("--rendered", type=Path, help="shards of rendered people")
    parser.add_argument("--held-out", type=Path, help="shards of other clips")
    parser.add_argument("--steps", type=int, default=20000, help="default: %(default)s")
    options = parser.parse_args()
    if options.filmed is None and options.rendered is None:
        parser.error("expected --filmed or --rendered, received neither; make pairs with train.mouth.filmed")
    check_count(parser, "steps", options.steps)
    torch.set_num_threads(1)
    with input_errors_as_messages(parser):
        sets = [(PairSet(folder), count) for folder, count in ((options.filmed, 5), (options.rendered, 3)) if folder]
        held_out = {"held_out": PairSet(options.held_out)} if options.held_out else {}
    state = Fitting(options.run, MouthModel, LEARNING_RATE, WARM_UP_STEPS)
    fit(state, GuidedLoss(ONE_STEP), augmented, sets, held_out, options.steps)


if __name__ == "__main__":
    main()
