"""`diffusionact demo`: the bundled media, reenacted."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..weights import DEMO_NAME
from . import reenact
from .option_groups import add_reenactment_options

DEMO_MEDIA = Path(__file__).resolve().parents[1] / "demo" / "media"
OUTPUT = Path("output/demo.mp4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="default: %(default)s")
    add_reenactment_options(parser)
    parser.set_defaults(run=run, side_by_side=True, exact=False)


def run(options: argparse.Namespace) -> None:
    """Reenact the bundled photo with the bundled clip; the demo model knows rendered heads only, and gets these."""
    names = ("source.png", "driving.mp4") if options.model == DEMO_NAME else ("photo.jpg", "photo_driving.mp4")
    options.source, options.driving = (DEMO_MEDIA / name for name in names)
    options.motion = options.seconds = options.seed = options.save_poses = None
    options.drive, options.seamless, options.still_when_silent = None, False, False
    options.side_by_side = not options.paste_back
    options.overwrite |= options.output == OUTPUT  # which the demo alone writes
    reenact.run(options)
