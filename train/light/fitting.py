"""Fits the network to pairs: `python -m train.light.fitting RUN --shaded A --rendered B --filmed C`. Resumable."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from diffusionact.warping.topology import load_topology

from ..experiments.arguments import check_count, check_shards, input_errors_as_messages
from ..experiments.run_state import load_state, save_state
from ..experiments.shards import load_shards
from .network import LightField
from .pairs import LightPairs
from .relighting import light_values, log_shading

TARGETS = 3
# Mean square of what no broad light can put right: where it is reached, more does not count.
FLOOR = 5e-4
FIELDS = ("brightness", "trust", "normals", "harmonics", "turned", "shaded", "ratio", "weight")
# Rendered people before this one are not trained on.
LAST_HELD_OUT = "00020"
# A step looks at so many of the points, drawn anew: a third of the time for nearly as much to learn from.
POINTS = 156
POINT_AXIS = {"normals": -2, "turned": -2}
LEARNING_RATE, WARM_UP_STEPS, STEPS_PER_CHECKPOINT = 2e-3, 50, 250
CONTRAST, EXPOSURE, NOISE = 0.15, 0.3, 0.02


def pair_values(pairs: LightPairs) -> dict[str, Tensor]:
    """What the network is given and what it is to say, for one source."""
    return {
        **light_values(pairs.colour, pairs.seen, pairs.light, pairs.normals),
        "turned": pairs.turned,
        "shaded": log_shading(pairs.light, pairs.turned),
        "ratio": pairs.ratio,
        "weight": pairs.weight * pairs.brightness.square(),
    }


class PairSet:
    """All pairs of a folder in memory, as batches of `TARGETS` targets a source.

    Args:
        folder: of shards.
        first, last: names of people outside [first, last) are left out; None is no limit.

    Raises:
        ValueError: if nobody is left.
    """

    def __init__(self, folder: Path, first: str = "", last: str | None = None):
        rows: dict[str, list[Tensor]] = {name: [] for name in FIELDS}
        self.names = []
        for name, pairs in load_shards(sorted(folder.glob("*.safetensors")), LightPairs):
            if name < first or (last is not None and name >= last):
                continue
            self.names.append(name)
            values = pair_values(pairs)
            for start in range(0, len(pairs.ratio), TARGETS):
                rows_of = torch.arange(start, start + TARGETS) % len(pairs.ratio)
                for field in FIELDS:
                    value = values[field]
                    rows[field].append((value[rows_of] if field in FIELDS[4:] else value).half())
        if not self.names:
            raise ValueError(f"Expected people between {first!r} and {last!r} in {folder}, received none; make more.")
        self.values = {name: torch.stack(parts) for name, parts in rows.items()}

    def __len__(self) -> int:
        return len(self.values["trust"])

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """Values of some sources."""
        return {name: value[rows].float() for name, value in self.values.items()}


def augmented(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Half of the faces mirrored; other contrast and exposure; skin that is not one colour."""
    count = len(batch["trust"])
    mirror = load_topology().mirror
    flipped = torch.rand(count, generator=generator) < 0.5
    result = {}
    for name, value in batch.items():
        if name in ("normals", "turned"):
            other = value.index_select(-2, mirror) * value.new_tensor([-1.0, 1.0, 1.0])
        else:
            other = value.index_select(-1, mirror)
        result[name] = torch.where(flipped.view(-1, *[1] * (value.ndim - 1)), other, value)
    contrast = (CONTRAST * torch.randn(count, generator=generator)).exp()
    for name in ("brightness", "harmonics", "shaded", "ratio"):
        result[name] = result[name] * contrast.view(-1, *[1] * (result[name].ndim - 1))
    shift = EXPOSURE * torch.randn(count, 1, generator=generator)
    result["brightness"] = (
        result["brightness"] + shift + NOISE * torch.randn(result["brightness"].shape, generator=generator)
    )
    return result


def errors(batch: dict[str, Tensor], ratio: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T) mean square that is left and that there was, of broad brightness, in units of brightness squared."""
    weight = batch["weight"]
    total = (weight > 0).float().sum(-1).clamp(min=1)
    left = (weight * (ratio.exp() - batch["ratio"].exp()).square()).sum(-1) / total
    before = (weight * (1 - batch["ratio"].exp()).square()).sum(-1) / total
    return left, before


def predict(network: LightField, batch: dict[str, Tensor], chosen: Tensor | None = None) -> Tensor:
    """The network's ratios (B, T, N), of all points or of those chosen."""
    return network(**{name: batch[name] for name in FIELDS[:6]}, chosen=chosen)


@torch.no_grad()
def score(network: LightField | None, pairs: PairSet, strength: float = 0.8) -> dict[str, float]:
    """dB that the light gains on broad brightness, floor included: harmonics, the network."""
    lit, none, net = [], [], []
    for rows in torch.arange(len(pairs)).split(64):
        batch = pairs.batch(rows)
        harmonic = strength * (batch["shaded"] - batch["harmonics"][:, None])
        left, before = errors(batch, harmonic)
        lit.append((left + FLOOR).log10())
        none.append((before + FLOOR).log10())
        if network is not None:
            net.append((errors(batch, predict(network, batch))[0] + FLOOR).log10())
    base = torch.cat(none)
    result = {"harmonics_db": float(10 * (base - torch.cat(lit)).mean())}
    result["bound_db"] = float(10 * (base - torch.tensor(FLOOR).log10()).mean())
    if net:
        result["network_db"] = float(10 * (base - torch.cat(net)).mean())
    return result


class Fitting:
    """The state of a run: the network, its average and the optimiser; kept in one file of the run's folder.

    Args:
        run: the folder; what it holds is gone on from.
    """

    def __init__(self, run: Path):
        torch.manual_seed(0)
        self.network, self.average = LightField(), LightField()
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), LEARNING_RATE, (0.9, 0.99), weight_decay=0.01)
        self._path = run / "checkpoint.pt"
        self.step = load_state(self._path, self._parts())

    def learn(self, batch: dict[str, Tensor], share: float, generator: torch.Generator) -> float:
        """One step on a batch; `share` of the run is done. Returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (self.step + 1) / WARM_UP_STEPS) * (1 - share) ** 0.7
        chosen = torch.randperm(batch["trust"].shape[-1], generator=generator)[:POINTS]
        batch = {name: value.index_select(POINT_AXIS.get(name, -1), chosen) for name, value in batch.items()}
        left, _ = errors(batch, predict(self.network, batch, chosen))
        loss = (left + FLOOR).log().mean()
        self.optimiser.zero_grad()
        loss.backward()
        clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        decay = min(0.99, self.step / (self.step + 20))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        return loss.item()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        save_state(self._path, self._parts(), self.step)

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}


def fit(run: Path, sets: list[tuple[PairSet, int]], held_out: dict[str, PairSet], max_steps: int) -> LightField:
    """Train on so many sources of each set a batch; goes on where a run in the same folder was stopped."""
    state = Fitting(run)
    while state.step < max_steps:
        generator = torch.Generator().manual_seed(state.step)
        parts = [pairs.batch(torch.randint(len(pairs), (count,), generator=generator)) for pairs, count in sets]
        batch = augmented({name: torch.cat([part[name] for part in parts]) for name in FIELDS}, generator)
        loss = state.learn(batch, state.step / max_steps, generator)
        if state.step % STEPS_PER_CHECKPOINT == 0 or state.step == max_steps:
            state.save()
            figures = {name: score(state.average, pairs) for name, pairs in held_out.items()}
            print(json.dumps({"step": state.step, "loss": round(loss, 4), **figures}), flush=True)
    state.average.save_pretrained(run / "model")
    return state.average


def _pair_sets(options: argparse.Namespace) -> tuple[list[tuple[PairSet, int]], dict[str, PairSet]]:
    """What to train on, and how many of it per batch; and what to measure."""
    held_out, sets = {}, []
    if options.shaded:
        sets.append((PairSet(options.shaded, last="shaded-90000"), 24))
    if options.rendered:
        held_out["rendered"] = PairSet(options.rendered, last=LAST_HELD_OUT)
        sets.append((PairSet(options.rendered, first=LAST_HELD_OUT), 6))
    if options.filmed:
        sets.append((PairSet(options.filmed), 6))
    if options.held_out:
        held_out["filmed"] = PairSet(options.held_out)
    return sets, held_out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    for name in ("shaded", "rendered", "filmed"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--held-out", type=Path, help="shards of other clips")
    parser.add_argument("--steps", type=int, default=1400, help="default: %(default)s")
    options = parser.parse_args()
    folders = {"shaded": options.shaded, "rendered": options.rendered, "filmed": options.filmed}
    if not any(folders.values()):
        parser.error("expected --shaded, --rendered or --filmed, received none; make pairs first and name their folder")
    for name, folder in (*folders.items(), ("filmed", options.held_out)):
        check_shards(parser, folder, f"train.light.{name}")
    check_count(parser, "steps", options.steps)
    torch.set_num_threads(1)
    with input_errors_as_messages(parser):
        sets, held_out = _pair_sets(options)
    fit(options.run, sets, held_out, options.steps)


if __name__ == "__main__":
    main()
