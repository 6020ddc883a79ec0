"""`diffusionact convert`: the authors' checkpoints -> a model folder."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--diffusionact", type=Path, required=True, help="diffusionact_model.pt")
    parser.add_argument("--diffae", type=Path, help="last.ckpt of the diffusion autoencoder, to compare with")
    parser.add_argument("--output", type=Path, required=True, help="the new model folder")
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Convert `options.diffusionact` into the folder `options.output`."""
    from ..conversion.official import convert_official

    convert_official(options.diffusionact, options.output, options.diffae, overwrite=options.overwrite)
    logger.info("Model folder written to %s; use it with --model %s", options.output, options.output)
