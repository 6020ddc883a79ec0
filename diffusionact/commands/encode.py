"""`diffusionact encode`: align and invert a source once, and keep it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..data.saved_values import save_value
from .loading import load_pipeline, load_source, prepare_output
from .option_groups import add_model_options, add_source_options

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("source", type=Path, help="source image")
    parser.add_argument("-o", "--output", type=Path, required=True, help="OUT.safetensors")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there already")
    add_model_options(parser)
    add_source_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Encode `options.source` into `options.output`.

    Raises:
        ValueError: if the output does not end in .safetensors or is the source itself, or the image is unusable.
    """
    prepare_output(options.output, (".safetensors",), (options.source,), options.overwrite)
    pipeline = load_pipeline(options)
    source, _, _ = load_source(pipeline, options.source, options)
    save_value(source, options.output, pipeline.fingerprint)
    logger.info("Source written to %s", options.output)
