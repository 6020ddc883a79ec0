"""What an engine renders frames from: a value that everybody passes on and only its engine looks into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Conditioning:
    """What F frames are rendered from.

    The names belong to the engine: the diffusion engine has "semantic_code" (F, D), and gives every tensor to its UNet
    as the argument of that name.

    Attributes:
        tensors: name -> (F, ...), one row per frame.

    Raises:
        ValueError: if there is none, or they have different numbers of rows.
    """

    tensors: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        rows = {name: len(tensor) for name, tensor in self.tensors.items()}
        if len(set(rows.values())) != 1:
            raise ValueError(f"Expected tensors of conditioning with one row per frame each, received rows {rows}.")

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def rows(self, rows: slice | Tensor) -> Conditioning:
        """The conditioning of some of the frames."""
        return Conditioning({name: tensor[rows] for name, tensor in self.tensors.items()})


def check_made_for(engine: str, tensors: Mapping[str, Tensor], needed: tuple[str, ...]) -> None:
    """Raise ValueError unless codes or conditioning hold what an engine needs: those of another engine do not."""
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise ValueError(
            f"Expected a source encoded and posed with the engine {engine!r}, received one of another engine, without "
            f"{', '.join(missing)}. Encode the source again with this model."
        )
