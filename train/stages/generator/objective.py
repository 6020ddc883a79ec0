"""The objectives of a generator and its discriminator in one number, each with a gradient for its own weights alone.

Both take their step at once: one pass of the loop trains both, and its optimiser keeps the moments of both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from diffusionact.models import StyleGAN2

from .augmentation import augment
from .discriminator import Discriminator


class GeneratorObjective(nn.Module):
    """Non-saturating logistic loss (Goodfellow et al. 2014), R1 (Mescheder et al. 2018), adaptive augmentation.

    Args:
        generator: trained.
        discriminator: trained.
        r1_weight: of the gradient penalty; half of it multiplies the squared norm.
        r1_every: steps between two penalties, each of which then counts as often.
        real_sign: where the mean sign of the real images' scores is held by the augmentation's probability.
        ramp_images: images in which the probability may go from 0 to 1; 0 for no augmentation.
    """

    def __init__(
        self,
        generator: StyleGAN2,
        discriminator: Discriminator,
        r1_weight: float,
        r1_every: int,
        real_sign: float,
        ramp_images: int,
    ):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.r1_weight, self.r1_every = r1_weight, r1_every
        self.real_sign, self.ramp_images = real_sign, ramp_images
        self.register_buffer("probability", torch.zeros(()))

    def forward(
        self, real: Tensor, z: Tensor, crossover: Tensor, draws: Tensor, penalise: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch; in training mode the augmentation's probability moves too.

        Args:
            real: (B, 3, S, S) in [-1, 1].
            z: (B, 2, D) standard normal.
            crossover: (B,) the first row of a code that comes from the second z.
            draws: (2, B, NUM_DRAWS) uniform in [0, 1), for the augmentation of real and of drawn images.
            penalise: compute the gradient penalty.
        """
        drawn = self.generator(mixed_codes(self.generator, z, crossover))
        seen_real, seen_drawn = (augment(i, d, self.probability) for i, d in zip((real, drawn), draws, strict=True))
        convinced = F.softplus(-self._scores_by_fixed(seen_drawn)).mean()
        scores = self.discriminator(torch.cat([seen_real, seen_drawn.detach()]))
        real_scores, drawn_scores = scores.chunk(2)
        told_apart = F.softplus(-real_scores).mean() + F.softplus(drawn_scores).mean()
        loss = convinced + told_apart
        terms = {"generator": convinced, "discriminator": told_apart, "probability": self.probability.clone()}
        if penalise:
            penalty = gradient_penalty(self.discriminator, seen_real)
            loss = loss + 0.5 * self.r1_weight * self.r1_every * penalty
            terms["r1"] = penalty
        sign = real_scores.detach().sign().mean()
        if self.training and self.ramp_images:
            self._adapt(sign, len(real))
        return loss, terms | {"real_sign": sign}

    def _scores_by_fixed(self, images: Tensor) -> Tensor:
        """Scores with a gradient for the images alone."""
        fixed = {name: parameter.detach() for name, parameter in self.discriminator.named_parameters()}
        return functional_call(self.discriminator, fixed, (images,))

    @torch.no_grad()
    def _adapt(self, sign: Tensor, num_images: int) -> None:
        """More augmentation where the discriminator is sure of the real images, which it then knows by heart."""
        step = num_images / self.ramp_images
        self.probability.add_(step * (sign - self.real_sign).sign()).clamp_(0.0, 1.0)


def mixed_codes(generator: StyleGAN2, z: Tensor, crossover: Tensor) -> Tensor:
    """(B, R, D) codes: rows from `crossover` (B,) on come from the second of two z (B, 2, D)."""
    w = generator.mapping(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    rows = torch.arange(generator.num_rows, device=z.device)
    is_first = (rows < crossover[:, None])[..., None]
    return torch.where(is_first, w[:, :1], w[:, 1:])


def gradient_penalty(discriminator: nn.Module, images: Tensor) -> Tensor:
    """R1: the mean squared norm of the gradient of the scores by images (B, 3, S, S), as the discriminator sees them.

    Source: Mescheder et al. 2018, Eq. 9.
    """
    seen = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(seen).sum(), seen, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
