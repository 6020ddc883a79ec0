"""Command line: train the perception network on synthetic portraits, measure it on held-out people, save it."""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch

from diffusionact.perception.open_perception import read_portrait_net
from diffusionact.perception.portrait_net import PortraitNet
from train.data.frames import Frames

from .accuracy import measure, table_markdown
from .batches import PortraitFrames
from .calibration import calibrate
from .objective import PortraitObjective
from .training import TrainingSettings, train

# The judge of an evaluation is another network than the one that trained the judged; it needs no close look at mouths.
ARCHITECTURES = {
    "loss": {"mouth_width": 16},
    "judge": {"widths": (16, 32, 48, 80, 112), "blocks": (0, 1, 1, 1, 1), "fused_width": 40, "hidden": 128},
}
CALIBRATION_PEOPLE = 64
VALIDATION_EVERY = 50


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read and check the command line."""
    parser = argparse.ArgumentParser(prog="python -m train.portrait", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of shards to train on")
    parser.add_argument("--held_out", type=Path, help="folder of shards of other people to measure on")
    parser.add_argument("--output", type=Path, required=True, help="folder of the network; replaced if it exists")
    parser.add_argument("--start_from", type=Path, help="folder of a network of the same architecture to go on from")
    parser.add_argument("--network", choices=sorted(ARCHITECTURES), default="loss", help="which architecture")
    parser.add_argument("--sample_size", type=int, default=128, help="side of the shards' images")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--people", type=int, default=32, help="people in a batch, two images each")
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--weight_decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep_every", type=int, default=300, help="steps between checkpoints under the output's name")
    parser.add_argument("--full_precision", action="store_true", help="compute in float32 instead of bfloat16")
    parser.add_argument("--measure_only", action="store_true", help="measure the network in --output, train nothing")
    a = parser.parse_args(arguments)
    for name in ("sample_size", "steps", "keep_every"):
        if getattr(a, name) < 1:
            parser.error(f"expected --{name} of at least 1; got {getattr(a, name)}; pass a positive number")
    if a.people < 2:
        parser.error(f"expected --people of at least 2; got {a.people}; people are told apart within a batch")
    return a


def held_out_frames(a: argparse.Namespace, frames: Frames) -> PortraitFrames:
    """All frames of the held-out folder, or the people kept from training."""
    if a.held_out is None:
        return PortraitFrames(frames, frames.validation)
    others = Frames(a.held_out, a.sample_size, 2, show_progress=True)
    return PortraitFrames(others, np.arange(len(others)))


def save(network: PortraitNet, folder: Path) -> None:
    """Write the network in float16 under a temporary name, then rename; what had the name before goes last."""
    temporary, replaced = (folder.with_name(f".{folder.name}.tmp"), folder.with_name(f".{folder.name}.old"))
    shutil.rmtree(temporary, ignore_errors=True)
    copy.deepcopy(network).half().to(memory_format=torch.contiguous_format).save_pretrained(temporary)
    shutil.rmtree(replaced, ignore_errors=True)
    if folder.exists():
        os.replace(folder, replaced)
    os.replace(temporary, folder)
    shutil.rmtree(replaced, ignore_errors=True)


def calibrated(network: PortraitNet, frames: PortraitFrames, seed: int) -> PortraitNet:
    """The network with the scales of its features measured on training people."""
    people = min(CALIBRATION_PEOPLE, len(frames.several))
    images = next(frames.pairs(people, np.random.default_rng(seed))).images
    calibrate(network, images[0::2], images[1::2])
    return network


def run(a: argparse.Namespace) -> None:
    """Train unless only asked to measure; measure, print and save."""
    frames = Frames(a.data, a.sample_size, VALIDATION_EVERY, show_progress=True)
    held_out, training = (held_out_frames(a, frames), PortraitFrames(frames, frames.training))
    if a.measure_only:
        print(table_markdown(measure(read_portrait_net(a.output), held_out)))
        return
    a.output.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    network = PortraitNet(sample_size=a.sample_size, **ARCHITECTURES[a.network])
    if a.start_from is not None:
        network.load_state_dict(read_portrait_net(a.start_from).state_dict())
    names = frames.expression_names
    objective = PortraitObjective(training.targets, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")])
    settings = TrainingSettings(a.steps, a.people, a.learning_rate, a.weight_decay, a.seed, bf16=not a.full_precision)
    checkpoint = a.output.with_name(f"{a.output.name}-checkpoint")
    start = time.monotonic()
    network = train(
        network,
        training,
        objective,
        settings,
        lambda averaged, step: save(calibrated(averaged, training, a.seed), checkpoint),
        a.keep_every,
    )
    save(calibrated(network, training, a.seed), a.output)
    minutes = (time.monotonic() - start) / 60
    table = measure(read_portrait_net(a.output), held_out)
    note = {"minutes": round(minutes, 1), "pictures": 2 * a.people * a.steps, "accuracy": table}
    note |= {name: value for name, value in vars(a).items() if name != "output"}
    (a.output / "training.json").write_text(json.dumps(note, indent=1, default=str) + "\n", encoding="utf-8")
    shutil.rmtree(checkpoint, ignore_errors=True)
    print(table_markdown(table))


def main() -> None:
    """Run; a user's mistake ends with its message."""
    try:
        run(parse_arguments())
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
