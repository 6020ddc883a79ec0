"""The training of a guided model: its loss at random noise, the resumable state of a run, its figures on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from diffusionact.losses import perceptual_loss, style_loss
from diffusionact.metrics.sharpness import blur
from diffusionact.perception.open_perception import load_portrait_net

from .guided_model import GuidedInput, GuidedModel, few_step_scheduler
from .run_state import load_state, save_state

EDGES, FEATURES, STYLE = 0.5, 0.5, 20.0
MIN_AREA_PX = 20.0
EMA_WEIGHT, STEPS_PER_CHECKPOINT = 0.995, 50
BLUR_PX = 0.6
SCORED_PAIRS = 32


class GuidedLoss:
    """v, and of the x_0 that it says edges, features and their mean and deviation inside the gate.

    The features are those of the bundled portrait network's first stages. Their mean and deviation are there so that no
    grey veil takes the place of what is to be drawn.

    Args:
        one_step: share of the samples at pure noise, which is where one step begins.
    """

    def __init__(self, one_step: float):
        self._one_step = one_step
        self._scheduler = few_step_scheduler()
        self._stages = load_portrait_net("loss").stages[:3]

    def __call__(self, model: GuidedModel, given: GuidedInput, truth: Tensor, generator: torch.Generator) -> Tensor:
        """Scalar; `given` has a `warped` (B, 3, S, S) and a `gate`."""
        count, gate = len(truth), given.gate
        last = self._scheduler.config.num_train_timesteps - 1
        timestep = torch.randint(0, last, (count,), generator=generator)
        timestep = torch.where(torch.rand(count, generator=generator) < self._one_step, last, timestep)
        noise = gate * torch.randn(truth.shape, generator=generator)
        x_0 = (gate * (truth - given.warped)).clamp(-1, 1)
        x_t = self._scheduler.add_noise(x_0, noise, timestep)
        target = self._scheduler.get_velocity(x_0, noise, timestep)
        predicted = model(x_t, timestep, model.code(given), given)
        area = gate.sum(dim=(1, 2, 3)).clamp(min=MIN_AREA_PX)
        # At pure noise the square would ask for the mean of all that may be there, which is grey.
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
        new_model: makes the model that a run begins with.
        learning_rate: after the first steps.
        warm_up_steps: over which it rises.
    """

    def __init__(self, run: Path, new_model: Callable[[], GuidedModel], learning_rate: float, warm_up_steps: int):
        torch.manual_seed(0)
        self.model, self.average = new_model(), new_model()
        self.average.load_state_dict(self.model.state_dict())
        self._learning_rate, self._warm_up_steps = learning_rate, warm_up_steps
        learnt = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(learnt, learning_rate, (0.9, 0.99), weight_decay=0.01)
        self.run, self._path = run, run / "checkpoint.pt"
        self.step = load_state(self._path, self._parts())

    def learn(self, loss: Tensor) -> None:
        """One step down a loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate * min(1.0, (self.step + 1) / self._warm_up_steps)
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
        save_state(self._path, self._parts(), self.step)
        self.average.save(self.run / "model")

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "average": self.average, "optimiser": self.optimiser}


class PairSource(Protocol):
    """Pairs to learn from."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor) -> tuple[Any, Tensor]:
        """What the model is given of some rows, and their truth (B, 3, S, S) in [-1, 1]."""


Augmented = Callable[[Any, Tensor, torch.Generator], tuple[Any, Tensor]]


def fit(
    state: Fitting,
    loss_of: GuidedLoss,
    augmented: Augmented,
    sets: Sequence[tuple[PairSource, int]],
    held_out: Mapping[str, PairSource],
    max_steps: int,
    bfloat16: bool = False,
) -> None:
    """Train until so many steps are done, those of earlier calls with them; prints figures at every checkpoint.

    What a step sees is decided by its number.

    Args:
        state: of the run.
        loss_of: the loss.
        augmented: changes a batch at random.
        sets: and how many pairs of each are in a batch.
        held_out: other pairs, of which figures are printed.
        max_steps: the last one.
        bfloat16: run the networks in bfloat16, which some processors do twice as fast.
    """
    losses, started = [], time.process_time()
    while state.step < max_steps:
        generator = torch.Generator().manual_seed(state.step)
        chosen = [pairs.batch(torch.randint(len(pairs), (count,), generator=generator)) for pairs, count in sets]
        joined = type(chosen[0][0]).joined([part for part, _ in chosen])
        given, truth = augmented(joined, torch.cat([truth for _, truth in chosen]), generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = loss_of(state.model, given, truth, generator)
        state.learn(loss)
        losses.append(loss.item())
        if state.step % STEPS_PER_CHECKPOINT == 0 or state.step == max_steps:
            state.save()
            figures = {name: score(state.average, *_spread(pairs)) for name, pairs in held_out.items()}
            seconds = round(time.process_time() - started)
            mean = round(sum(losses) / len(losses), 4)
            print(json.dumps({"step": state.step, "loss": mean, "processor_s": seconds, **figures}), flush=True)
            losses = []


def _spread(pairs: PairSource) -> tuple[Any, Tensor]:
    """The pairs that are scored at checkpoints."""
    return pairs.batch(torch.linspace(0, len(pairs) - 1, min(SCORED_PAIRS, len(pairs))).long())


@torch.no_grad()
def score(model: GuidedModel, given: GuidedInput, truth: Tensor) -> dict[str, float]:
    """PSNR inside the gate, dB, of the warp, of the warp blurred, of the model in one step, and with another's code."""
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
