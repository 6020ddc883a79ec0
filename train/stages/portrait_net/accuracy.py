"""How well a perception network reads held-out people: a table of errors and correlations.

`python -m train.stages.portrait_net.accuracy RUN/model/portrait_net --data data/heldout128` prints it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusionact.perception.open_perception import read_portrait_net
from diffusionact.perception.portrait_net import BACKGROUND, FACE, PERSON, PortraitNet

from ...data.frames import Frames
from .batches import PortraitBatch, PortraitFrames

HEAD_POSE_NAMES, GAZE_NAMES = ("yaw", "pitch", "roll"), ("gaze pitch", "gaze yaw")
EYES_OPEN = 0.5  # blinks below this leave the gaze to be seen
READ_ACTIONS = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "mouthSmileLeft", "browInnerUp")
# Pairs of landmarks whose distance says how far something is open: upper and lower middle.
GAPS = {"inner lips' gap": (62, 66), "right lids' gap": (37, 41)}
TIMED_IMAGES = 8
REGION_NAMES = {BACKGROUND: "background", PERSON: "person", FACE: "face"}


@torch.no_grad()
def measure(network: PortraitNet, frames: PortraitFrames, batch_size: int = 64) -> dict[str, float]:
    """Accuracy on frames.

    Args:
        network: in evaluation mode.
        frames: of people that were not trained on.
        batch_size: images that go through together.

    Returns:
        Row of the table -> value: errors are mean absolute ones, `r` is Pearson's correlation.
    """
    truths, readings, overlaps = [], [], torch.zeros(3, 2)
    for batch in frames.in_order(batch_size):
        reading = network(batch.images.to(network.device))
        overlaps += _overlaps(reading.parsing.cpu(), batch)
        truths.append((batch.landmarks, batch.head_pose, batch.gaze, batch.expression, batch.identity))
        readings.append((reading.landmarks, reading.head_pose, reading.gaze, reading.expression, reading.identity))
    points, pose, gaze, expression, identity = (torch.cat(parts) for parts in zip(*truths, strict=True))
    read_points, read_pose, read_gaze, read_expression, embeddings = (
        torch.cat(parts).float().cpu() for parts in zip(*readings, strict=True)
    )
    names = frames.frames.expression_names
    blink = expression[:, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]].mean(1)
    seen = blink < EYES_OPEN
    table = {"landmarks, px": (read_points - points).norm(dim=-1).mean().item()}
    for name, (upper, lower) in GAPS.items():
        gaps = ((found[:, upper] - found[:, lower]).norm(dim=-1) for found in (read_points, points))
        table |= _rows(name, "px", *gaps)
    for column, name in enumerate(HEAD_POSE_NAMES):
        table |= _rows(name, "degrees", read_pose[:, column], pose[:, column])
    for column, name in enumerate(GAZE_NAMES):
        table |= _rows(f"{name}, eyes open", "degrees", *(torch.rad2deg(g[seen, column]) for g in (read_gaze, gaze)))
    for name in (action for action in READ_ACTIONS if action in names):
        column = names.index(name)
        table |= {f"{name}, r": correlation(read_expression[:, column], expression[:, column])}
    similarity = embeddings @ embeddings.T
    table["verification AUC"] = verification_auc(similarity, identity)
    table["verification AUC, colours removed"] = verification_auc(
        _grey_similarity(network, frames, batch_size), identity
    )
    for region, name in REGION_NAMES.items():
        table[f"IoU of {name}"] = (overlaps[region, 0] / overlaps[region, 1]).item()
    return table


def milliseconds(network: PortraitNet) -> float:
    """CPU time per image of reading images in bfloat16 and of the gradient in them, all features in use."""
    size = network.config.sample_size
    images = torch.zeros(TIMED_IMAGES, 3, size, size, requires_grad=True)

    def read_and_go_back() -> float:
        start = time.process_time()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            reading = network(images)
            values = (
                reading.landmarks,
                reading.head_pose,
                reading.gaze,
                reading.identity,
                reading.parsing,
                *reading.maps,
            )
            sum(value.float().square().mean() for value in values).backward()
        return (time.process_time() - start) * 1e3 / TIMED_IMAGES

    return min(read_and_go_back() for _ in range(3))


def _rows(name: str, unit: str, read: Tensor, truth: Tensor) -> dict[str, float]:
    return {f"{name}, {unit}": (read - truth).abs().mean().item(), f"{name}, r": correlation(read, truth)}


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of two vectors (N,)."""
    return torch.corrcoef(torch.stack([first.double(), second.double()]))[0, 1].item()


def verification_auc(similarity: Tensor, identity: Tensor) -> float:
    """Share of (same person, other person) pairs of pairs that the similarity (N, N) orders rightly."""
    upper = torch.ones_like(similarity, dtype=torch.bool).triu(1)
    same = identity[:, None] == identity[None]
    others = similarity[upper & ~same].sort().values
    return (torch.searchsorted(others, similarity[upper & same]).double().mean() / len(others)).item()


def _grey_similarity(network: PortraitNet, frames: PortraitFrames, batch_size: int) -> Tensor:
    """Similarity of embeddings when images are grey and stand before grey: what is left is the face."""
    embeddings = []
    for batch in frames.in_order(batch_size):
        grey = batch.images.mean(1, keepdim=True).expand_as(batch.images)
        grey = grey * (1 - batch.regions[:, BACKGROUND, None])
        embeddings.append(network(grey.to(network.device)).identity.float().cpu())
    joined = torch.cat(embeddings)
    return joined @ joined.T


def _overlaps(scores: Tensor, batch: PortraitBatch) -> Tensor:
    """(3, 2) pixels in the intersection and in the union of each region."""
    read, truth = scores.argmax(1), batch.regions.argmax(1)
    rows = []
    for region in REGION_NAMES:
        ours, theirs = read == region, truth == region
        rows.append(torch.stack([(ours & theirs).sum(), (ours | theirs).sum()]))
    return torch.stack(rows).float()


def table_markdown(table: dict[str, float]) -> str:
    """The table as Markdown."""
    lines = [f"| {name} | {value:.3f} |" for name, value in table.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m train.stages.portrait_net.accuracy", description=__doc__)
    parser.add_argument("network", type=Path, help="folder of a network, such as RUN/model/portrait_net")
    parser.add_argument("--data", type=Path, required=True, help="folder of shards of people not trained on")
    parser.add_argument("--sample_size", type=int, default=128, help="side of the shards' images")
    options = parser.parse_args(arguments)
    try:
        network = read_portrait_net(options.network)
        frames = all_frames(options.data, options.sample_size)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    table = measure(network, frames)
    print(table_markdown(table | {"reading and its gradient, CPU ms per image": milliseconds(network)}))


def all_frames(folder: Path, sample_size: int) -> PortraitFrames:
    """All frames of a folder of people that were not trained on."""
    frames = Frames(folder, sample_size, 2, show_progress=True)
    return PortraitFrames(frames, np.arange(len(frames)))


if __name__ == "__main__":
    main()
