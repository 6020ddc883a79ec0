"""What `--exact` means for the other options: the official procedure leaves nothing to choose but the steps."""

from __future__ import annotations

import argparse

from ..face.readers.emoca.reader import EmocaFaceReader
from ..weights import BUNDLED_MODELS, MODEL_FOLDER_NAME

# Option -> the values that do not contradict the procedure; the first is the command's default.
FITTING: dict[str, tuple[object, ...]] = {
    "tracker": ("open", EmocaFaceReader.name),
    "dtype": ("auto", "float32"),
    "source_face": ("largest",),
    "face": ("follow",),
    "missing": ("interpolate", "error"),
    "driver_crop": ("frame",),
    "relative": (False,),
    "reference_frame": (0,),
    "turn_limit": (15.0, 180.0),
    "gain": (1.0,),
    "smoothing": (0.3, 0.0),
    "threshold": (0.5,),
    "scheduler": ("ddim",),
    "output_size": (None,),
}


def settle_official_options(options: argparse.Namespace) -> None:
    """Set the options that the procedure fixes; without --model it takes the imported official model.

    Raises:
        ValueError: if another option was given that contradicts the procedure.
    """
    for name, fitting in FITTING.items():
        value = getattr(options, name)
        if value not in fitting:
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"Expected no {flag} beside --exact, which follows the official procedure, received {value!r}. Leave "
                "one of the two out."
            )
    if options.source.suffix == ".safetensors":
        raise ValueError(
            f"Expected a source image for --exact, received the saved source {options.source}, which was aligned in "
            "another way. Give the image itself."
        )
    options.tracker, options.dtype = EmocaFaceReader.name, "float32"
    if options.model in BUNDLED_MODELS:
        options.model = MODEL_FOLDER_NAME
