"""From command-line words to devices, pipelines and sources."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .. import images
from ..checks import check_choice
from ..data.saved_values import load_value
from ..devices import choose_device
from ..face.geometry.crop_change import UNCHANGED, CropChange
from ..face.pose.options import DRIVER_CROPS, PoseOptions
from ..generation import Sampling
from ..generation.acceleration import Acceleration, accelerate
from ..generation.engine_names import DIFFUSION
from ..generation.sampling import StepCallback
from ..pipelines import DiffusionActPipeline
from ..transparency import load_with_alpha
from ..types import SourceCodes

SAVED_SUFFIX = ".safetensors"  # of encoded sources
CROP_NAMES = ("scale", "right", "up", "rotate")
CROP_EXAMPLE = "changes of the crop such as scale=1.3,up=0.1,rotate=5"


class HeldPipeline:
    """The pipeline that was loaded last, for commands that are run one after the other in one process."""

    def __init__(self) -> None:
        self._key: tuple[Hashable, ...] = ()
        self._pipeline: DiffusionActPipeline | None = None

    def load(self, options: argparse.Namespace) -> DiffusionActPipeline:
        """The pipeline of these options; one of others is released first."""
        key = (
            options.model,
            options.tracker,
            options.device,
            options.dtype,
            options.warm_start,
            *_accelerated(options),
        )
        if key != self._key or self._pipeline is None:
            self._pipeline = None
            self._pipeline, self._key = _load_pipeline(options), key
        return self._pipeline


def load_pipeline(options: argparse.Namespace) -> DiffusionActPipeline:
    """Load the model and the tracker that --model, --tracker, --device and --dtype name, made faster as asked."""
    held: HeldPipeline | None = getattr(options, "held_pipeline", None)
    return held.load(options) if held else _load_pipeline(options)


def _load_pipeline(options: argparse.Namespace) -> DiffusionActPipeline:
    dtype = None if options.dtype == "auto" else getattr(torch, options.dtype)
    device = choose_device(options.device)
    pipeline = DiffusionActPipeline.from_pretrained(options.model, dtype, device, tracker=options.tracker)
    if options.warm_start:
        pipeline = with_warm_start(pipeline, options.warm_start)
    acceleration, sampling = _accelerated(options)
    if acceleration != Acceleration():
        check_diffusion(pipeline, "--compile and --attention")
        # Compiling takes minutes: what the engine rejects is found before.
        pipeline.engine.check_sampling(Sampling(options.steps, options.scheduler))
        with steps_progress("Compile", "block") as on_block:
            accelerate(pipeline.engine, acceleration, sampling, on_block)
    return pipeline


def _accelerated(options: argparse.Namespace) -> tuple[Acceleration, Sampling]:
    """What --compile and --attention ask for, and the sampling that it is for; nothing where nothing is decoded."""
    if not hasattr(options, "compile"):
        return Acceleration(), Sampling()
    batch = options.chunk_size if options.compile else None
    acceleration = Acceleration(batch, options.attention)
    return acceleration, Sampling() if acceleration == Acceleration() else Sampling(scheduler=options.scheduler)


def with_warm_start(pipeline: DiffusionActPipeline, share: float) -> DiffusionActPipeline:
    """The same pipeline, whose frames start at the warped source.

    Raises:
        ValueError: if the share is out of range, or the model's engine has no schedule to skip a part of.
    """
    check_diffusion(pipeline, "--warm-start")
    from ..generation.warm_start import WarmStartEngine

    return pipeline.with_engine(WarmStartEngine(pipeline.engine, share))


def check_diffusion(pipeline: DiffusionActPipeline, option: str) -> None:
    """Raise ValueError unless the model's engine has what an option is about."""
    if pipeline.engine.name != DIFFUSION:
        raise ValueError(
            f"Expected a model of the engine {DIFFUSION!r} for {option}, received one of {pipeline.engine.name!r}, "
            "which takes no steps. Leave it out, or choose --model demo."
        )


def prepare_output(
    path: Path, suffixes: Collection[str], inputs: Collection[Path] = (), overwrite: bool = False
) -> None:
    """Make the output's folder and see that it can be written, before any work is done.

    Raises:
        ValueError: if the name ends in something else than `suffixes`, is no name of a file, or is that of one of the
            `inputs`.
        OSError: if the folder cannot be made or written, or something lies at `path`: a folder of files, or a file that
            `overwrite` does not allow to replace.
    """
    if path.name == "-" or (path.name and path.name.lower() in suffixes):
        raise ValueError(
            f"Expected the name of an output file or folder, received {str(path)!r}. Give a name, such as "
            f"result{path.name if path.name in suffixes else '.mp4'}: nothing is written to a pipe."
        )
    if path.suffix.lower() not in suffixes:
        known = ", ".join(suffix or "no suffix (a folder of PNG files)" for suffix in suffixes)
        raise ValueError(f"Expected an output ending in {known}, received {str(path)!r}. Change its suffix.")
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise ValueError(
            f"Expected an output beside the inputs, received {str(path)!r}, which is an input and would be lost. "
            "Choose another output path."
        )
    is_taken = (path.suffix or any(path.iterdir())) if path.is_dir() else path.exists() and not path.suffix
    if is_taken:
        raise FileExistsError(
            f"Expected a file to replace or a new or empty folder, received {str(path)!r} which is in use. "
            "Remove it or choose another output path."
        )
    if path.is_file() and not overwrite:
        raise FileExistsError(
            f"Expected an output that does not exist yet, received {str(path)!r}. Choose another output path, or add "
            "--overwrite to replace it."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"Expected a folder to write {path.name!r} into, received {str(path.parent)!r} ({error.strerror}). "
            "Choose another output path."
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(
            f"Expected a folder that can be written, received {str(path.parent)!r} without the permission. "
            "Choose another output path."
        )


def face_choice(word: str) -> str | int:
    """ "largest" and "follow" stay words, anything else is an index.

    Raises:
        ValueError: if it is neither.
    """
    if word in ("largest", "follow"):
        return word
    if not word.isdecimal():
        raise ValueError(f"Expected a face: largest, follow or an index from 0, received {word!r}. Use --face largest.")
    return int(word)


def pose_options(options: argparse.Namespace) -> PoseOptions:
    """The driver's options as the pipeline takes them."""
    crop, crop_change = driver_crop(options)
    return PoseOptions(
        face=face_choice(options.face),
        missing=options.missing,
        driver_crop=crop,
        relative=options.relative,
        reference_frame=options.reference_frame,
        expression_gain=options.gain,
        smoothing=options.smoothing,
        detection_threshold=options.threshold,
        turn_limit=options.turn_limit,
        crop_change=crop_change,
    )


def load_source(
    pipeline: DiffusionActPipeline, path: Path, options: argparse.Namespace, keep_alpha: bool = False
) -> tuple[SourceCodes, Tensor | None, Tensor | None]:
    """Encode a source image with a progress bar, or read one that was saved.

    Args:
        pipeline: encodes.
        path: of the image or the saved source.
        options: which face, its crop, inversion.
        keep_alpha: transparent parts of the image stay apart; else they are white.

    Returns:
        The codes; the image as uint8 (H, W, 3), None for a saved source; its alpha uint8 (H, W), None where it is
        opaque.
    """
    crop_change = source_crop(options)
    image, alpha = load_photo(path, keep_alpha)
    if image is None:
        if crop_change != UNCHANGED:
            raise ValueError(
                f"Expected a source image for --source-crop, received the saved source {path}, whose crop was chosen "
                "when it was encoded. Give the image, or encode it again."
            )
        return pipeline.source_to_device(load_value(path, SourceCodes, pipeline.fingerprint)), None, None
    face = face_choice(options.source_face)
    if not pipeline.engine.encode_steps(options.inversion_steps):
        return pipeline.encode_source(image, face=face, crop_change=crop_change, alpha=alpha), image, alpha
    with inversion_progress() as on_step:
        source = pipeline.encode_source(image, options.inversion_steps, face, on_step, crop_change)
    return source, image, alpha


def load_photo(path: Path, keep_alpha: bool = False) -> tuple[Tensor | None, Tensor | None]:
    """The image and the alpha of `load_source`, without codes."""
    if path.suffix == SAVED_SUFFIX:
        return None, None
    return load_with_alpha(path) if keep_alpha else (images.load_image(path), None)


def crop_words(words: str) -> tuple[list[str], CropChange]:
    """Words such as "clip,scale=1.3,up=0.1" as those without a value, and the change of a crop.

    Raises:
        ValueError: if a name or a number is unknown, or out of range.
    """
    alone, values = [], {}
    for word in filter(None, (word.strip() for word in words.split(","))):
        name, equals, value = word.partition("=")
        if not equals:
            alone.append(word)
            continue
        check_choice("what to change of a crop", name, CROP_NAMES)
        try:
            values[name] = float(value)
        except ValueError as error:
            raise ValueError(f"Expected a number in {word!r} of {words!r}. Correct it.") from error
    return alone, CropChange(**values)


def source_crop(options: argparse.Namespace) -> CropChange:
    """What --source-crop says.

    Raises:
        ValueError: if it is no change of a crop.
    """
    alone, change = crop_words(options.source_crop or "")
    if alone:
        raise ValueError(f"Expected {CROP_EXAMPLE} for --source-crop, received {options.source_crop!r}. Correct it.")
    return change


def driver_crop(options: argparse.Namespace) -> tuple[str, CropChange]:
    """What --driver-crop says: one of DRIVER_CROPS, and a change.

    Raises:
        ValueError: if it is none of these.
    """
    alone, change = crop_words(options.driver_crop)
    if len(alone) > 1:
        raise ValueError(f"Expected one of {', '.join(DRIVER_CROPS)} in --driver-crop, received {alone}. Choose one.")
    return (alone or DRIVER_CROPS)[0], change


def inversion_progress() -> AbstractContextManager[StepCallback]:
    """A progress bar over the steps from an image to x_T."""
    return steps_progress("Encode source", "step")


@contextmanager
def steps_progress(words: str, unit: str) -> Iterator[StepCallback]:
    """A progress bar over something that reports (done, total)."""
    with tqdm(desc=words, unit=unit, leave=False) as bar:

        def on_step(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_step
