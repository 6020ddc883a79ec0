"""The networks behind the losses and metrics, and what puts them together into a `FacePerception` of `losses`.

Two lanes share the door `CombinedPerception`: networks that are bundled, and the paper's, from files of the user, which
`conversion/paper_perception.py` reads.
"""

from .combined import CombinedPerception

__all__ = ["CombinedPerception"]
