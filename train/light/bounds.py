"""What is there to win: how far lights of several kinds come on the pairs of a folder, in dB of broad brightness.

    python -m train.light.bounds FOLDER [--network RUN/model]

Harmonics, self-shadow and the network know the source alone. The others know the truth, too: they say how much a light
of their kind could gain at best.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.warping.light import spherical_harmonics
from portraits.head import Head

from ..experiments.arguments import check_model, check_shards, input_errors_as_messages
from ..experiments.shards import load_shards
from .fitting import FLOOR, errors, pair_values, predict
from .network import LightField
from .pairs import LightPairs
from .shadowed import SelfShadowedLight

TURNS_DEG = (0, 10, 25, 90)
STRENGTH = 0.8
RIDGE = 1e-6


def gains(pairs: LightPairs, shadowed: SelfShadowedLight, network: LightField | None) -> dict[str, Tensor]:
    """dB (T,) that each kind of light gains in each target, and the turn in degrees."""
    values = pair_values(pairs)
    batch = {name: value[None] for name, value in values.items()}
    weight, ratio = values["weight"], values["ratio"]
    change = values["shaded"] - values["harmonics"]

    def gain(light: Tensor) -> Tensor:
        left, before = errors(batch, light[None])
        return 10 * ((before + FLOOR) / (left + FLOOR)).log10()[0]

    def mean(light: Tensor) -> Tensor:
        return (weight * light).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1e-9)

    cosine = (pairs.turned * pairs.normals).sum(-1).clamp(-1, 1).acos().mean(1)
    strengths = torch.linspace(-0.5, 2.0, 26)
    return {
        "turn": torch.rad2deg(cosine),
        "harmonics": gain(STRENGTH * change),
        "with self-shadow": gain(shadowed.ratio(pairs)),
        **({} if network is None else {"network": gain(predict(network, batch)[0])}),
        "best strength": torch.stack([gain(strength * change) for strength in strengths]).amax(0),
        "best exposure": gain(mean(ratio).expand_as(ratio)),
        "harmonics and exposure": gain(STRENGTH * change + mean(ratio - STRENGTH * change)),
        "best of normals": gain(_of_normals(pairs, weight)),
        "best broad field": gain(ratio),
    }


def _of_normals(pairs: LightPairs, weight: Tensor) -> Tensor:
    """The ratio (T, 468) that harmonics of the normals then and now tell best."""
    before = spherical_harmonics(pairs.normals).expand(len(pairs.ratio), -1, -1)[..., 1:]
    terms = torch.cat([spherical_harmonics(pairs.turned), before], dim=-1)
    gram = terms.mT @ (weight[..., None] * terms) + RIDGE * torch.eye(terms.shape[-1])
    return (terms @ torch.linalg.solve(gram, terms.mT @ (weight * pairs.ratio)[..., None]))[..., 0]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--network", type=Path, help="folder of a trained network")
    parser.add_argument("--last", help="people from this one on are left out, such as 00020: trained on")
    options = parser.parse_args()
    check_shards(parser, options.folder, "train.light.filmed or train.light.rendered")
    check_model(parser, options.network, "config.json", "train.light.fitting")
    torch.set_num_threads(1)
    network = None if options.network is None else LightField.from_pretrained(options.network).eval()
    with input_errors_as_messages(parser):
        people = list(load_shards(sorted(options.folder.glob("*.safetensors")), LightPairs))
    people = [pairs for name, pairs in people if len(pairs.ratio) and (options.last is None or name < options.last)]
    if not people:
        parser.error(f"expected pairs in {options.folder}, received none before --last; choose a later person")
    with torch.inference_mode():
        shadowed = SelfShadowedLight(Head())
        rows = [gains(pairs, shadowed, network) for pairs in people]
    joined = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    turn = joined.pop("turn")
    print(f"| turn | pairs | {' | '.join(joined)} |\n|---|---|{'---|' * len(joined)}")
    for low, high in [*zip(TURNS_DEG, TURNS_DEG[1:], strict=False), (0, 90)]:
        chosen = (turn >= low) & (turn < high)
        if chosen.any():
            means = " | ".join(f"{float(values[chosen].mean()):.2f}" for values in joined.values())
            print(f"| {low} to {high}° | {int(chosen.sum())} | {means} |")


if __name__ == "__main__":
    main()
