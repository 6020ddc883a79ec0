"""Faster UNet calls for the same images: compiled blocks, and the choice of the attention.

Imports no network, so that the command can name the choices at once.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from ..checks import check_choice, check_positive_int
from ..weights.folders import APPLICATION, user_cache_folder
from .sampling import Sampling, StepCallback

if TYPE_CHECKING:
    from .diffusion import DiffusionEngine

ATTENTIONS = ("sdpa", "xformers")
CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
COMPILERS = ("c++", "g++", "clang++", "cl")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Acceleration:
    """What is done to UNets before they decode; the default is nothing.

    Attributes:
        compiled_batch: rows of a compiled call: fewer are padded, more are split. None compiles nothing.
        attention: "sdpa" is torch's own; "xformers" needs that package and a GPU.

    Raises:
        ValueError: if there is no such batch or attention.
    """

    compiled_batch: int | None = None
    attention: str = "sdpa"

    def __post_init__(self) -> None:
        check_choice("attention", self.attention, ATTENTIONS)
        if self.compiled_batch is not None:
            check_positive_int("compiled_batch", self.compiled_batch)


def accelerate(
    engine: DiffusionEngine,
    acceleration: Acceleration,
    sampling: Sampling,
    on_block: StepCallback | None = None,
) -> None:
    """Make the engine decode faster from now on; on its device, in its dtype: `engine.to` undoes the compilation.

    What was compiled is kept in the user's cache, or where TORCHINDUCTOR_CACHE_DIR says, for the next run. Without a
    C++ compiler, or where the compilation fails, a warning says so, and nothing is compiled.

    Args:
        engine: is changed.
        acceleration: what to do.
        sampling: whose decoder is compiled.
        on_block: see `compiled_unet.CompiledUNet`.

    Raises:
        ModuleNotFoundError: if xformers is asked for and not installed.
        ValueError: if it is asked for on another device than a GPU.
    """
    unet = engine.decoder(sampling)
    if acceleration.attention == "xformers":
        if find_spec("xformers") is None:
            raise ModuleNotFoundError(
                "Expected the package xformers for the attention 'xformers', received none. Install it with "
                "pip install diffusionact[gpu], or choose the attention sdpa."
            )
        if unet.device.type != "cuda":
            raise ValueError(
                f"Expected a GPU for the attention 'xformers', received the device {str(unet.device)!r}. Choose the "
                "attention sdpa, or a GPU."
            )
        unet.enable_xformers_memory_efficient_attention()
    if acceleration.compiled_batch is None:
        return
    names = (os.environ.get("CXX"), *COMPILERS)
    if not any(name and shutil.which(name) for name in names):
        logger.warning("No C++ compiler was found, which torch.compile needs; rendering goes on without. Install g++.")
        return
    from .compiled_unet import CompiledUNet

    os.environ.setdefault(CACHE_VARIABLE, str(user_cache_folder() / APPLICATION / "compiled"))
    try:
        engine.compiled[unet] = CompiledUNet(unet, acceleration.compiled_batch, on_block)
    except torch._dynamo.exc.TorchDynamoException as error:  # a compiler that is there may still lack headers
        reason = str(error).strip().partition("\n")[0]
        logger.warning("torch.compile failed (%s); rendering goes on without. Leave out --compile.", reason)
