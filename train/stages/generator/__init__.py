"""The stage that trains the generator of the engine `directions`, against a discriminator."""

from .stage import TrainGenerator

__all__ = ["TrainGenerator"]
