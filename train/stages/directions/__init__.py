"""The stage that trains the matrix A of the engine `directions`."""

from .stage import TrainDirections

__all__ = ["TrainDirections"]
