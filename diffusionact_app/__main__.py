"""`python -m diffusionact_app`: the app, without the other commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from diffusionact.cli import run_command

from .command import DESCRIPTION, add_arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the app; returns 0, 2 for bad input (with a message on stderr), or 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m diffusionact_app", description=DESCRIPTION)
    add_arguments(parser)
    return run_command(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
