"""Fits the model to pairs: `python -m train.mouth.fitting RUN --filmed A --rendered B --held-out C`. Resumable.

The loss is that of v, and of the x_0 that it says: edges, features, and the mean and deviation of features and colours
inside the lips, so that no grey veil takes the place of teeth and cavity.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from diffusionact.losses import perceptual_loss, style_loss
from diffusionact.metrics.sharpness import blur
from diffusionact.perception.open_perception import load_portrait_net

from ..experiments.arguments import check_count, input_errors_as_messages
from ..experiments.shards import load_shards
from .crops import CROP_SIZE, MouthPairs, joined
from .network import MouthInput, MouthModel, distances, landmark_map, mouth_scheduler

LEARNING_RATE, WARM_UP_STEPS, STEPS_PER_CHECKPOINT = 1e-3, 40, 50
EMA_WEIGHT = 0.995
# Share of the samples at pure noise, which is where one step begins.
ONE_STEP = 0.5
EDGES, FEATURES, STYLE = 0.5, 0.5, 20.0
# Pairs under another light or of a cut, mean difference in levels; mouths that hardly open, cm; too coarse ones.
MAX_MISS, MIN_OPENING_CM, MIN_DETAIL = 22.0, 0.35, 0.4
# Skin lies so far outside the inner lips, px of the crop; exposures that differ by more are put right as far as this.
SKIN_PX, MAX_GAIN = -1.5, 1.5
CONTRAST, EXPOSURE, TINT = 0.25, 0.2, 0.06
SHIFT_PX, TURN, SCALE = 2.0, 0.1, 0.08
BLUR_PX = 0.6


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


class MouthLoss:
    """v, edges and features of a batch; the features are those of the bundled portrait network's first stages."""

    def __init__(self) -> None:
        self._scheduler = mouth_scheduler()
        self._stages = load_portrait_net("loss").stages[:3]

    def __call__(self, model: MouthModel, given: MouthInput, truth: Tensor, generator: torch.Generator) -> Tensor:
        """Scalar."""
        count, gate = len(truth), given.gate
        last = self._scheduler.config.num_train_timesteps - 1
        timestep = torch.randint(0, last, (count,), generator=generator)
        timestep = torch.where(torch.rand(count, generator=generator) < ONE_STEP, last, timestep)
        noise = gate * torch.randn(truth.shape, generator=generator)
        x_0 = (gate * (truth - given.warped)).clamp(-1, 1)
        x_t = self._scheduler.add_noise(x_0, noise, timestep)
        target = self._scheduler.get_velocity(x_0, noise, timestep)
        predicted = model(x_t, timestep, model.code(given), given)
        area = gate.sum(dim=(1, 2, 3)).clamp(min=20.0)
        # At pure noise the square would ask for the mean of all mouths, which is grey.
        error, is_pure = predicted - target, (timestep == last)[:, None, None, None]
        away = torch.where(is_pure, error.abs(), error.square())
        loss = (away.sum(dim=(1, 2, 3)) / area).mean()
        # What is left of x_0 at this noise: where it is mostly told by x_t, nothing is to be learnt from edges.
        signal = self._scheduler.alphas_cumprod[timestep].to(x_t)[:, None, None, None]
        images = given.warped + signal.sqrt() * x_t - (1 - signal).sqrt() * predicted
        wanted = given.warped + x_0
        weight = (1 - signal).flatten() / area
        edges = sum((weight * difference.abs().sum(dim=(1, 2, 3))).mean() for difference in _edges(images - wanted))
        maps, true_maps = self._features(images), self._features(wanted)
        style = style_loss(moments([images, *maps], gate), moments([wanted, *true_maps], gate))
        return loss + EDGES * edges + FEATURES * perceptual_loss(maps, true_maps) + STYLE * style

    def _features(self, images: Tensor) -> list[Tensor]:
        maps, hidden = [], images
        for stage in self._stages:
            hidden = stage(hidden)
            maps.append(hidden)
        return maps


def moments(maps: list[Tensor], gate: Tensor) -> Tensor:
    """(B, D) mean and deviation of every channel of maps (B, C_l, h_l, w_l) inside a gate (B, 1, S, S)."""
    values = []
    for layer in maps:
        weight = F.adaptive_avg_pool2d(gate, layer.shape[-2:])
        weight = weight / weight.sum(dim=(2, 3), keepdim=True).clamp(min=1e-3)
        mean = (weight * layer).sum(dim=(2, 3), keepdim=True)
        variance = (weight * (layer - mean).square()).sum(dim=(2, 3))
        values += [mean.flatten(1), (variance + 1e-4).sqrt()]
    return torch.cat(values, dim=1)


def _edges(difference: Tensor) -> list[Tensor]:
    """Steps to the neighbours of an image (B, 3, S, S), and of it at half of its size."""
    steps = []
    for image in (difference, F.avg_pool2d(difference, 2)):
        steps += [image.diff(dim=-1), image.diff(dim=-2)]
    return steps


class Fitting:
    """The state of a run: the model, its average and the optimiser; kept in one file of the run's folder.

    Args:
        run: the folder; what it holds is gone on from.
    """

    def __init__(self, run: Path):
        torch.manual_seed(0)
        self.model, self.average = MouthModel(), MouthModel()
        self.average.load_state_dict(self.model.state_dict())
        self.optimiser = torch.optim.AdamW(self.model.parameters(), LEARNING_RATE, (0.9, 0.99), weight_decay=0.01)
        self.step, self.run, self._path = 0, run, run / "checkpoint.pt"
        run.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            saved = torch.load(self._path, weights_only=True)
            self.step = saved.pop("step")
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])

    def learn(self, loss: Tensor) -> None:
        """One step down a loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (self.step + 1) / WARM_UP_STEPS)
        self.optimiser.zero_grad()
        loss.backward()
        clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        weight = min(EMA_WEIGHT, self.step / (self.step + 20))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - weight)

    def save(self) -> None:
        """Write the state and the averaged model, the state whole or not at all."""
        temporary = self._path.with_suffix(".tmp")
        torch.save({**{name: part.state_dict() for name, part in self._parts().items()}, "step": self.step}, temporary)
        temporary.replace(self._path)
        self.average.save(self.run / "model")

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "average": self.average, "optimiser": self.optimiser}


@torch.no_grad()
def score(model: MouthModel, pairs: PairSet, count: int = 32) -> dict[str, float]:
    """PSNR inside the gate, dB, of the warp, of the warp blurred, of the model in one step, and with another's code."""
    rows = torch.linspace(0, len(pairs) - 1, min(count, len(pairs))).long()
    given, truth = pairs.batch(rows)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    code = model.code(given)
    other = code.roll(len(code) // 2, 0)

    def psnr(images: Tensor) -> float:
        area = 3 * given.gate.sum(dim=(1, 2, 3)).clamp(min=1)
        error = (given.gate * (images.clamp(-1, 1) - truth).square()).sum(dim=(1, 2, 3)) / area
        return round(float(-10 * (error / 4).clamp(min=1e-6).log10().mean()), 3)

    return {
        "warp": psnr(given.warped),
        "blurred": psnr(blur(given.warped, BLUR_PX)),
        "model": psnr(given.warped + model.sample(given, noise, 1, code)),
        "other_code": psnr(given.warped + model.sample(given, noise, 1, other)),
    }


def fit(run: Path, sets: list[tuple[PairSet, int]], held_out: dict[str, PairSet], max_steps: int) -> MouthModel:
    """Train on so many mouths of each set per batch; goes on where a run in the same folder was stopped."""
    state, loss_of = Fitting(run), MouthLoss()
    losses, started = [], time.process_time()
    while state.step < max_steps:
        generator = torch.Generator().manual_seed(state.step)
        chosen = [pairs.batch(torch.randint(len(pairs), (count,), generator=generator)) for pairs, count in sets]
        given = MouthInput.joined([part for part, _ in chosen])
        given, truth = augmented(given, torch.cat([truth for _, truth in chosen]), generator)
        loss = loss_of(state.model, given, truth, generator)
        state.learn(loss)
        losses.append(loss.item())
        if state.step % STEPS_PER_CHECKPOINT == 0 or state.step == max_steps:
            state.save()
            figures = {name: score(state.average, pairs) for name, pairs in held_out.items()}
            seconds = round(time.process_time() - started)
            mean = round(sum(losses) / len(losses), 4)
            print(json.dumps({"step": state.step, "loss": mean, "processor_s": seconds, **figures}), flush=True)
            losses = []
    return state.average


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
    fit(options.run, sets, held_out, options.steps)


if __name__ == "__main__":
    main()
