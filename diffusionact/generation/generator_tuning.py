"""Tuning the generator to one source: what the latent code does not say of a photo goes into the weights.

Source: `optimize_g` of the official code. There it is on by default and changes the generator itself, so that a second
source starts from the first one's; here it is off unless asked for, and the tuned weights are a copy beside the source.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..models import StyleGAN2
from .sampling import StepCallback

OFFICIAL_STEPS = 200
LEARNING_RATE = 3e-3
PIXEL_WEIGHT = 100.0
# The layers above 16 px; constant, mapping, coarser layers and all ToRGB stay.
FIRST_TUNED_LAYER = 5

# (B, 3, S, S) twice, in [-1, 1] -> a distance, a number; LPIPS-Alex in the official code.
PerceptualDistance = Callable[[Tensor, Tensor], Tensor]


def tuned_names(generator: StyleGAN2) -> list[str]:
    """Names of the parameters that are tuned."""
    names = [name for name, _ in generator.named_parameters() if name.startswith("layers.")]
    return [name for name in names if int(name.split(".")[1]) >= FIRST_TUNED_LAYER]


def tune_generator(
    generator: StyleGAN2,
    image: Tensor,
    w_plus: Tensor,
    num_steps: int = OFFICIAL_STEPS,
    on_step: StepCallback | None = None,
    perceptual: PerceptualDistance | None = None,
) -> dict[str, Tensor]:
    """Weights with which the generator draws one image better: Adam on 100 * mean squared error, and LPIPS.

    Args:
        generator: stays as it is, in any dtype.
        image: (1, 3, S, S) in [-1, 1].
        w_plus: (1, R, style_dim), truncated.
        num_steps: of Adam.
        on_step: called after every step with (done, total).
        perceptual: added with weight 1, as in the official code; None leaves it out.

    Returns:
        Name of a parameter -> its tuned value in float32, on the generator's device.
    """
    # ComfyUI runs nodes in inference mode, whose tensors take part in no gradient: copies do, made outside of it.
    with torch.inference_mode(False), torch.enable_grad():
        weights = {name: tensor.detach().float().clone() for name, tensor in generator.state_dict().items()}
        tuned = {name: nn.Parameter(weights[name]) for name in tuned_names(generator)}
        optimiser = torch.optim.Adam(tuned.values(), lr=LEARNING_RATE)
        image, w_plus = image.detach().clone(), w_plus.detach().clone()
        for step in range(num_steps):
            drawn = functional_call(generator, weights | tuned, (w_plus,))
            loss = PIXEL_WEIGHT * F.mse_loss(drawn, image)
            if perceptual is not None:
                loss = loss + perceptual(drawn, image)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if on_step is not None:
                on_step(step + 1, num_steps)
    return {name: parameter.detach() for name, parameter in tuned.items()}
