"""The `diffusionact` command: its arguments, and what becomes of errors. The work stands in `commands/`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path

import torch

from .commands import (
    batch,
    bench,
    convert,
    crop,
    encode,
    evaluate,
    groups,
    live,
    motions,
    reenact,
    source_videos,
    weights,
)
from .commands.installed import add_installed_commands
from .commands.loading import CROP_NAMES
from .commands.output_frames import BACKGROUNDS, KEPT
from .face.pose.options import DRIVER_CROPS
from .pipelines import FACE_READERS
from .schedulers import SCHEDULERS
from .weights import DEMO_NAME, PHOTO_NAME

# Engine -> the bundled model of it.
ENGINE_MODELS = {"warp": PHOTO_NAME, "diffusion": DEMO_NAME}

CROP_WORDS = " ".join(f"{name}=N" for name in CROP_NAMES) + " (factor, shares of the side, degrees clockwise)"
BAD_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 2 for bad input (with a message on stderr), or 130 when interrupted."""
    return run_command(build_parser().parse_args(arguments))


def run_command(options: argparse.Namespace) -> int:
    """Do what parsed arguments ask for, `options.run`; errors become a message on stderr. Returns what `main` does."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Third-party warnings about optional speed-ups are noise to a person at a terminal.
    warnings.filterwarnings("ignore")
    try:
        with _unwound_when_terminated():
            return options.run(options) or 0
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.stderr.write(f"diffusionact: {error}\n")
        return BAD_INPUT
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        reason = str(error).split(". ")[0] or "none left"
        sys.stderr.write(
            f"diffusionact: Expected enough memory, received: {reason}. "
            "Choose a smaller --chunk-size, --batch-size or image, or --device cpu.\n"
        )
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("diffusionact: interrupted; nothing was written\n")
        return INTERRUPTED


@contextmanager
def _unwound_when_terminated() -> Iterator[None]:
    """SIGTERM (`timeout`, `docker stop`) ends the command as Ctrl-C does: temporary files are removed on the way."""
    if threading.current_thread() is not threading.main_thread():  # only the main one may handle signals
        yield
        return

    def leave(*_: object) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def build_parser() -> argparse.ArgumentParser:
    """The command line, one sub-parser a command."""
    parser = argparse.ArgumentParser(
        prog="diffusionact", description="One-shot face reenactment: a photo moves as a video does."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_reenact(commands)
    _add_demo(commands)
    _add_batch(commands)
    _add_live(commands)
    _add_encode(commands)
    _add_crop(commands)
    _add_convert(commands)
    _add_weights(commands)
    _add_bench(commands)
    _add_evaluate(commands)
    add_installed_commands(commands)
    return parser


def _add_reenact(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("reenact", help="a source image and a driving video in, a reenacted video out")
    parser.add_argument("source", type=Path, help="source image or clip, or a source saved by `diffusionact encode`")
    parser.add_argument(
        "driving", type=Path, nargs="?", help="video, animated image, folder of frames, or one image; see also --motion"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="OUT.mp4, .mov, .mkv, .png, or a folder; see also --background"
    )
    motions.add_arguments(parser)
    source_videos.add_arguments(parser)
    groups.add_arguments(parser)
    _add_model_options(parser)
    _add_source_options(parser)
    _add_driver_options(parser)
    _add_decode_options(parser)
    _add_output_options(parser)
    _add_time_options(parser)
    parser.add_argument("--exact", action="store_true", help="as in the official code; needs the authors' files")
    parser.set_defaults(run=reenact.run)


def _add_demo(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("demo", help="reenact the bundled source with the bundled driving clip")
    parser.add_argument("-o", "--output", type=Path, default=reenact.DEMO_OUTPUT, help="default: %(default)s")
    _add_model_options(parser)
    _add_source_options(parser)
    _add_driver_options(parser)
    _add_decode_options(parser)
    _add_output_options(parser)
    _add_time_options(parser)
    parser.set_defaults(run=reenact.run_demo, side_by_side=True, exact=False)


def _add_batch(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("batch", help="a table of sources, drivers and options: a video for each row")
    batch.add_arguments(parser, parse_row)


def parse_row(words: list[str]) -> argparse.Namespace:
    """The words of one row of `batch`, as the whole command reads them."""
    return _row_parser().parse_args(words)


@cache
def _row_parser() -> argparse.ArgumentParser:
    """Made once: a table may have a million rows."""
    return build_parser()


def _add_live(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("live", help="a photo moves as a camera sees it, on a page in the browser")
    parser.add_argument("photo", type=Path, help="source image, or a source saved by `diffusionact encode`")
    _add_model_options(parser)
    _add_source_options(parser)
    live.add_arguments(parser)
    parser.set_defaults(run=live.run)


def _add_crop(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("crop", help="show the square that a face is cut out by, and what is in it")
    crop.add_arguments(parser)
    _add_source_options(parser)
    parser.add_argument("--tracker", default="open", choices=FACE_READERS, help="what reads the faces")


def _add_encode(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("encode", help="align and invert a source once, for many drivers")
    parser.add_argument("source", type=Path, help="source image")
    parser.add_argument("-o", "--output", type=Path, required=True, help="OUT.safetensors")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there already")
    _add_model_options(parser)
    _add_source_options(parser)
    parser.set_defaults(run=encode.run)


def _add_convert(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("convert", help="official checkpoints -> a model folder")
    parser.add_argument("--diffusionact", type=Path, required=True, help="diffusionact_model.pt")
    parser.add_argument("--diffae", type=Path, help="last.ckpt of the diffusion autoencoder, to compare with")
    parser.add_argument("--output", type=Path, required=True, help="the new model folder")
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there already")
    parser.set_defaults(run=convert.run)


def _add_weights(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("weights", help="the authors' files: what is there, what is missing, bringing them")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every file: what for, from where, licence, found or missing")
    listing.set_defaults(run=weights.run_list)
    check = actions.add_parser("check", help="read everything fully; exit code 1 if something is broken")
    check.set_defaults(run=weights.run_check)
    bring = actions.add_parser("import", help="recognise the authors' files and convert them into the weights folder")
    bring.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="file, folder, zip or tar archive")
    bring.add_argument("--overwrite", action="store_true", help="replace what is there already")
    bring.set_defaults(run=weights.run_import)
    fetch = actions.add_parser("fetch", help="download a file whose licence allows it, and import it")
    fetch.add_argument("name", help="see `diffusionact weights list`")
    fetch.add_argument("--yes", action="store_true", help="agree to the licence without being asked")
    fetch.add_argument("--url", help="another address of the same file; its hash is checked all the same")
    fetch.add_argument("--overwrite", action="store_true", help="replace what is there already")
    fetch.set_defaults(run=weights.run_fetch)


def _add_bench(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("bench", help="speed of the default path against plain float32")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="alternations (default: %(default)s)")
    parser.add_argument("--chunk-size", type=int, default=4, help="frames batched (default: %(default)s)")
    parser.add_argument("--skip-official", action="store_true", help="leave out the 256 px official size")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    parser.set_defaults(run=bench.run)


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("evaluate", help="models on prepared frames by the paper's protocols, as a report")
    evaluate.add_arguments(parser)
    parser.set_defaults(run=evaluate.run)


class _StoreModelOfEngine(argparse.Action):
    """Stores the model whose engine was asked for."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, ENGINE_MODELS[values])


def _add_model_options(parser: argparse.ArgumentParser) -> None:
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


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("source")
    group.add_argument("--source-face", default="largest", help="largest, or an index (0 is the largest)")
    group.add_argument(
        "--source-crop",
        metavar="CHANGES",
        help=f"of the square that the face is cut out by, with commas: {CROP_WORDS}; `diffusionact crop` shows it",
    )
    group.add_argument("--inversion-steps", type=int, help="DDIM steps from image to x_T (default: the model's)")


def _add_driver_options(parser: argparse.ArgumentParser) -> None:
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


def _add_time_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("time")
    group.add_argument("--start", type=_seconds, default=Fraction(0), help="seconds of the driver to leave out before")
    group.add_argument("--end", type=_seconds, help="second of the driver to end at (default: its end)")
    group.add_argument(
        "--frame-rate",
        type=_frame_rate,
        help="constant rate of the output, such as 25 or 30000/1001: driving frames are repeated and left out "
        "(default: every frame when the driver shows it)",
    )
    group.add_argument("--stride", type=int, default=1, help="take every n-th frame only; the length stays")


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


def _add_decode_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decoding")
    group.add_argument("--steps", type=int, help="DDIM steps a frame (default: the model's)")
    group.add_argument("--scheduler", default="ddim", choices=tuple(SCHEDULERS))
    group.add_argument("--chunk-size", type=int, default=8, help="frames rendered together (default: %(default)s)")


def _add_output_options(parser: argparse.ArgumentParser) -> None:
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
