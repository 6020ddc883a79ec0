"""What is measured: at its full size, or tiny, where the same code takes seconds on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusionact.generation import Sampling
from diffusionact.generation.sampling import DEFAULT_PRESETS


@dataclass(frozen=True)
class Sizes:
    """The defaults are the full sizes; empty mappings of arguments mean the official networks.

    Attributes:
        image: side of the images of the networks with random weights, pixels.
        unet, encoder, generator, inversion_encoder, directions: constructor arguments.
        has_demo: whether the bundled diffusion model is measured too.
        batches: of a UNet call, and chunks whose memory is measured.
        compiled_batches: of a compiled UNet, which takes a minute to be compiled for each.
        repeats: timed calls after one to warm up.
        precision_batch: of the comparison with float32; one of the compiled ones, which are then compiled once.
        frames: of a clip that goes from file to file.
        chunk: frames rendered together.
        presets: how the diffusion engines sample.
        inversion_steps, official_steps: of the source, and of a frame of the official procedure.
        photo_size: side of the frames of the engine that warps the photo, pixels.
        compiler: backend of torch.compile.
        training_steps: timed ones, after two to warm up.
        training_batch: samples of a step.
        training: stage -> what is tiny in its settings.
        codec_frames, codec_size: of the clip that is encoded and decoded; side in pixels.
        has_golden: whether the official code's outputs are compared with; they are of the full size.
    """

    image: int = 256
    unet: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    generator: Mapping[str, Any] = field(default_factory=dict)
    inversion_encoder: Mapping[str, Any] = field(default_factory=dict)
    directions: Mapping[str, Any] = field(default_factory=dict)
    has_demo: bool = True
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    compiled_batches: tuple[int, ...] = (1, 8)
    repeats: int = 5
    precision_batch: int = 1
    frames: int = 48
    chunk: int = 16
    presets: Mapping[str, Sampling] = field(default_factory=lambda: DEFAULT_PRESETS)
    inversion_steps: int = 50
    official_steps: int = 20
    photo_size: int = 512
    compiler: str = "inductor"
    training_steps: int = 4
    training_batch: int = 4
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    codec_frames: int = 250
    codec_size: int = 512
    has_golden: bool = True


LEVELS = {"sample_size": 32, "patch_size": 2, "block_out_channels": (8, 16), "layers_per_block": 1}
LEVELS |= {"attention_resolutions": (8,), "semantic_dim": 16, "norm_groups": 4}
FEW_STEPS = {"num_inference_steps": [2], "num_inversion_steps": 2}
TINY_GENERATOR = {"channels": (8, 8, 6, 4), "style_dim": 16, "mapping_layers": 2}
PORTRAIT_NET = {"widths": [8, 8, 16, 16, 16], "face_width": 8, "eye_width": 8, "hidden": 16}

FULL = Sizes()
TINY = Sizes(
    image=32,
    unet=LEVELS | {"time_dim": 16},
    encoder=LEVELS,
    generator=TINY_GENERATOR,
    inversion_encoder={"sample_size": 32, "width": 4, "style_dim": 16, "num_rows": 8},
    directions={"num_directions": 15, "num_rows": 4, "style_dim": 16},
    has_demo=False,
    batches=(1, 2),
    compiled_batches=(),
    repeats=1,
    frames=1,
    chunk=1,
    presets={"fast": Sampling(2, "dpm"), "paper": Sampling(2, "ddim")},
    inversion_steps=2,
    official_steps=2,
    photo_size=64,
    compiler="eager",
    training_steps=1,
    training_batch=4,
    training={
        "train_encoder": FEW_STEPS,
        "finetune_decoder": FEW_STEPS,
        "train_portrait_net": {"network": PORTRAIT_NET},
        "train_generator": {"generator": TINY_GENERATOR, "discriminator_channels": [8, 8, 6, 4]},
        "train_inversion_encoder": {"width": 4, "direction_rows": 4},
    },
    codec_frames=8,
    codec_size=128,
    has_golden=False,
)
