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
from functools import cache, partial
from importlib import import_module

import torch

from .commands.installed import add_installed_commands
from .commands.late_parser import LateParser

# Name, which is that of a module in `commands/`, and what it is for.
COMMANDS = {
    "reenact": "a source image and a driving video in, a reenacted video out",
    "demo": "reenact the bundled source with the bundled driving clip",
    "batch": "a table of sources, drivers and options: a video for each row",
    "live": "a photo moves as a camera sees it, on a page in the browser",
    "encode": "align and invert a source once, for many drivers",
    "crop": "show the square that a face is cut out by, and what is in it",
    "convert": "official checkpoints -> a model folder",
    "weights": "the authors' files: what is there, what is missing, bringing them",
    "bench": "speed of the default path against plain float32",
    "evaluate": "models on prepared frames by the paper's protocols, as a report",
}
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
    """The command line, one sub-parser per command."""
    parser = argparse.ArgumentParser(
        prog="diffusionact", description="One-shot face reenactment: a photo moves as a video does."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=LateParser)
    for name, purpose in COMMANDS.items():
        commands.add_parser(name, help=purpose, add_arguments=partial(_add_arguments, name))
    commands.choices["batch"].set_defaults(parse=parse_row)
    add_installed_commands(commands)
    return parser


def _add_arguments(command: str, parser: argparse.ArgumentParser) -> None:
    import_module(f".commands.{command}", __package__).add_arguments(parser)


def parse_row(words: list[str]) -> argparse.Namespace:
    """The words of one row of `batch`, as the whole command reads them."""
    return _row_parser().parse_args(words)


@cache
def _row_parser() -> argparse.ArgumentParser:
    """Made once: a table may have a million rows."""
    return build_parser()
