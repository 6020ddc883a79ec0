"""Turn a run's model folder into one to ship: half the size, with its own default step counts.

python -m train.export runs/pretrain_encoder/model diffusionact/demo/model --steps 10 --inversion-steps 10
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from diffusionact.generation import load_components, save_components


def export(model: Path, output: Path, steps: int, inversion_steps: int, dtype: torch.dtype) -> None:
    """Write the components of `model` that a pipeline needs to `output`, replacing a model that is there.

    Args:
        model: folder that training wrote.
        output: the new folder.
        steps: default DDIM steps of decoding.
        inversion_steps: default DDIM steps of inversion.
        dtype: of the weights in the files.
    """
    components = load_components(model)
    config = replace(components.config, num_inference_steps=steps, num_inversion_steps=inversion_steps)
    save_components(replace(components, config=config), output, dtype, overwrite=True)


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m train.export", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--inversion-steps", type=int, default=50)
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    options = parser.parse_args()
    export(options.model, options.output, options.steps, options.inversion_steps, getattr(torch, options.dtype))


if __name__ == "__main__":
    main()
