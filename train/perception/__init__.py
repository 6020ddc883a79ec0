"""The networks behind the losses, and what puts them together into a `FacePerception` of `diffusionact.losses`.

Two lanes share the door `CombinedPerception`: the paper's networks from files of the user (`paper.py`), or any others
of the same meaning.
"""

from .code_regressor import CodeRegressor
from .combined import CombinedPerception
from .paper import load_paper_perception

__all__ = ["CodeRegressor", "CombinedPerception", "load_paper_perception"]
