"""`diffusionact convert`: the authors' checkpoints -> a model folder."""

from __future__ import annotations

import argparse
import logging

logger = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> None:
    """Convert `options.diffusionact` into the folder `options.output`."""
    from ..conversion.official import convert_official

    convert_official(options.diffusionact, options.output, options.diffae, overwrite=options.overwrite)
    logger.info("Model folder written to %s; use it with --model %s", options.output, options.output)
