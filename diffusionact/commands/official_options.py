"""What `--exact` means for the other options: the official procedure leaves nothing to choose but the steps."""

from __future__ import annotations

import argparse

from ..face.readers.deca.reader import DecaFaceReader
from ..face.readers.emoca.reader import EmocaFaceReader
from ..generation.engine_names import DIRECTIONS
from ..pipelines import DiffusionActPipeline, OfficialDirections, OfficialProcedure
from ..weights import BUNDLED_MODELS, INDEX_SECTION, MODEL_FOLDER_NAME, read_index, resolve_model_folder

# Option -> the values that do not contradict the procedure; the first is the command's default.
FITTING: dict[str, tuple[object, ...]] = {
    "tracker": ("open", EmocaFaceReader.name, DecaFaceReader.name),
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
    "warm_start": (0.0,),
    "compile": (False,),
    "attention": ("sdpa",),
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
    if options.model in BUNDLED_MODELS:
        options.model = MODEL_FOLDER_NAME
    index = read_index(resolve_model_folder(options.model))
    is_directions = index[INDEX_SECTION].get("engine") == DIRECTIONS
    options.tracker = DecaFaceReader.name if is_directions else EmocaFaceReader.name
    options.dtype = "float32"


def official_procedure(pipeline: DiffusionActPipeline) -> OfficialProcedure | OfficialDirections:
    """The procedure of the pipeline's engine.

    Raises:
        ValueError: if the pipeline cannot follow it.
    """
    return (OfficialDirections if pipeline.engine.name == DIRECTIONS else OfficialProcedure)(pipeline)
