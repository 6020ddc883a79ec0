"""Arguments that several commands share, a function per group of the help page."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from ..face.pose.options import DRIVER_CROPS
from ..face.readers.registry import FACE_READERS
from ..generation.acceleration import ATTENTIONS
from ..generation.engine_names import DIFFUSION, WARP
from ..schedulers import SCHEDULERS
from ..weights import DEMO_NAME, PHOTO_NAME
from .loading import CROP_NAMES
from .output_frames import BACKGROUNDS, KEPT

# Engine -> the bundled model of it.
ENGINE_MODELS = {WARP: PHOTO_NAME, DIFFUSION: DEMO_NAME}
CROP_WORDS = " ".join(f"{name}=N" for name in CROP_NAMES) + " (factor, shares of the side, degrees clockwise)"


class _StoreModelOfEngine(argparse.Action):
    """Stores the model whose engine was asked for."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, ENGINE_MODELS[values])


def add_reenactment_options(parser: argparse.ArgumentParser) -> None:
    """All groups of a command that renders a video."""
    add_model_options(parser)
    add_source_options(parser)
    add_driver_options(parser)
    add_decode_options(parser)
    add_output_options(parser)
    add_time_options(parser)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model runs, where, and what reads the faces."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=PHOTO_NAME,
        help="photo (the photo itself, moved by geometry; the default), demo (a small diffusion model), a folder, a "
        "name in the weights folder, or a Hub id",
    )
    group.add_argument(
        "--engine",
        dest="model",
        action=_StoreModelOfEngine,
        choices=ENGINE_MODELS,
        default=PHOTO_NAME,
        help="short for the bundled model of an engine: "
        + ", ".join(f"{engine} is --model {model}" for engine, model in ENGINE_MODELS.items()),
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    group.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16"), help="of the UNets"
    )
    group.add_argument(
        "--tracker", default="open", choices=FACE_READERS, help="what reads the faces (default: %(default)s)"
    )
    group.add_argument(
        "--warm-start",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="diffusion models: begin at the photo moved by geometry and skip this share of the steps, 0 to 0.95 "
        "(default: 0, off); see docs/speed.md",
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """How the source is read and encoded."""
    group = parser.add_argument_group("source")
    group.add_argument("--source-face", default="largest", help="largest, or an index (0 is the largest)")
    group.add_argument(
        "--source-crop",
        metavar="CHANGES",
        help=f"of the square that the face is cut out by, with commas: {CROP_WORDS}; `diffusionact crop` shows it",
    )
    group.add_argument("--inversion-steps", type=int, help="DDIM steps from image to x_T (default: the model's)")


def add_driver_options(parser: argparse.ArgumentParser) -> None:
    """How the driver is read and followed."""
    group = parser.add_argument_group("driver")
    group.add_argument("--face", default="follow", help="largest, follow, or an index (default: %(default)s)")
    group.add_argument("--missing", default="interpolate", choices=("error", "hold", "interpolate"))
    group.add_argument(
        "--driver-crop",
        default="frame",
        metavar="WHICH",
        help=f"{' or '.join(DRIVER_CROPS)}, and with commas changes as for --source-crop (default: %(default)s)",
    )
    group.add_argument("--relative", action="store_true", help="add the driver's motion to the source's own pose")
    group.add_argument("--reference-frame", type=int, default=0, help="driving frame that relative motion starts from")
    group.add_argument(
        "--turn-limit",
        type=float,
        default=15.0,
        help="the photo model: a head turned by more degrees in the photo keeps the rest of its turn (180: never)",
    )
    group.add_argument("--gain", type=float, default=1.0, help="factor on the expression, 0 to 3")
    group.add_argument("--smoothing", type=float, default=0.3, help="0 off to 1 strong (default: %(default)s)")
    group.add_argument("--threshold", type=float, default=0.5, help="least score of the face detector")


def add_time_options(parser: argparse.ArgumentParser) -> None:
    """Which part of the driver, at which rate."""
    group = parser.add_argument_group("time")
    group.add_argument("--start", type=_seconds, default=Fraction(0), help="seconds of the driver to leave out before")
    group.add_argument("--end", type=_seconds, help="second of the driver to end at (default: its end)")
    group.add_argument(
        "--frame-rate",
        type=_frame_rate,
        help="constant rate of the output, such as 25 or 30000/1001: driving frames are repeated and left out "
        "(default: every frame when the driver shows it)",
    )
    group.add_argument("--stride", type=int, default=1, help="take every N-th frame only; the length stays")


def _seconds(words: str) -> Fraction:
    """Seconds, minutes:seconds, or hours:minutes:seconds."""
    parts = words.split(":")
    try:
        if len(parts) > 3:
            raise ValueError(words)
        seconds = sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
        return Fraction(seconds).limit_denominator(1_000_000)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"expected seconds, m:s or h:m:s, received {words!r}") from error


def _frame_rate(words: str) -> Fraction:
    """Frames per second, with a point or as a fraction."""
    over, _, under = words.partition("/")
    try:
        return (Fraction(float(over)) / Fraction(float(under or 1))).limit_denominator(1_000_000)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"expected a rate such as 25 or 30000/1001, received {words!r}") from error


def add_decode_options(parser: argparse.ArgumentParser) -> None:
    """How frames are sampled."""
    group = parser.add_argument_group("decoding")
    group.add_argument("--steps", type=int, help="steps per frame (default: the model's)")
    group.add_argument("--scheduler", default="ddim", choices=tuple(SCHEDULERS))
    group.add_argument("--chunk-size", type=int, default=8, help="frames rendered together (default: %(default)s)")
    group.add_argument(
        "--compile", action="store_true", help="diffusion models: compile the UNet first; pays for long clips"
    )
    group.add_argument(
        "--attention", default=ATTENTIONS[0], choices=ATTENTIONS, help="diffusion models (default: %(default)s)"
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """What the frames become."""
    group = parser.add_argument_group("output")
    group.add_argument("--overwrite", action="store_true", help="replace an output that is there already")
    group.add_argument("--side-by-side", action="store_true", help="source | driving | reenacted")
    group.add_argument("--paste-back", action="store_true", help="into the full source image")
    group.add_argument(
        "--background",
        default=KEPT,
        choices=BACKGROUNDS,
        help="transparent: a source with transparent parts keeps them, moved along; of others the person is cut out. "
        "OUT.mov (ProRes 4444), .webm (VP9), .webp, .png, or a folder",
    )
    group.add_argument("--matte", type=Path, metavar="FILE", help="also write the person's matte, white on black")
    group.add_argument(
        "--output-size",
        metavar="SIZE",
        help="side of the face frames in pixels, or source: the face's own resolution in the photo, at most 1024 "
        "(default: the model's size)",
    )
    group.add_argument(
        "--feather",
        type=float,
        help="soft edge of the paste, share of the crop (default: 0.1; the model photo moves the whole photo unless "
        "this or --match-colour is given)",
    )
    group.add_argument("--match-colour", action="store_true", help="LAB colour match of the paste to the image")
    group.add_argument("--no-audio", action="store_true", help="leave out the driver's sound")
    group.add_argument("--report", type=Path, help="track the output and write figures as JSON")
