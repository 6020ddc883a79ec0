"""`diffusionact crop`: the square that a face is cut out by, drawn on its photo, beside what lies in it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from .. import images
from ..face.geometry.crop_change import CropChange
from ..face.readers.registry import FACE_READERS, load_face_reader
from ..pipelines.crop_preview import crop_preview
from ..video import is_clip, open_frames
from .loading import face_choice, prepare_output, source_crop
from .option_groups import add_source_options

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("source", type=Path, help="source image; of a clip, the first frame")
    parser.add_argument("-o", "--output", type=Path, required=True, help="OUT.png")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there already")
    add_source_options(parser)
    parser.add_argument("--tracker", default="open", choices=FACE_READERS, help="what reads the faces")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Draw the crop of `options.source` into `options.output`.

    Raises:
        ValueError: for unusable input or options, or a photo without such a face.
    """
    change = source_crop(options)
    prepare_output(options.output, (".png",), (options.source,), options.overwrite)
    photo = next(iter(open_frames(options.source))) if is_clip(options.source) else images.load_image(options.source)
    preview = crop_preview(load_face_reader(options.tracker), photo, face_choice(options.source_face), change)
    images.save_png(options.output, preview.side_by_side(), provenance=False)
    side = preview.transform.size * abs(float(preview.transform.matrix[0, :, :2].det())) ** -0.5
    logger.info("A square of %d px of %s%s, drawn into %s", round(side), options.source, _words(change), options.output)


def _words(change: CropChange) -> str:
    changed = [f"{name}={value:g}" for name, value in vars(change).items() if value != getattr(CropChange, name)]
    return f" ({', '.join(changed)})" if changed else ""
