"""dlib's network of face recognition -> safetensors in float16, gains and offsets folded into the filters.

It lies in the PyPI package `face_recognition_models` (CC0), in dlib's own serialised form: no pickle, nothing is run.
Only this file is read: the landmark predictor beside it may not be used commercially.
`python -m tools.photo_identity PACKAGE_TAR_GZ --output FILE` writes it.
"""

from __future__ import annotations

import argparse
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from diffusionact.perception.photo_identity import PhotoIdentity

MEMBER = "dlib_face_recognition_resnet_model_v1.dat"
# Names that dlib writes before the parameters of a layer; others have none.
CONVOLUTION, AFFINE, LINEAR = "con_4", "affine_", "fc_2"
# How many integers stand between the name and the parameters.
LAYERS = {CONVOLUTION: 0, AFFINE: 0, LINEAR: 2}
TENSOR_VERSION = 2
NEGATIVE = 0x80


class DlibReader:
    """Reads the parameters of layers out of dlib's serialised form, from the input of a network to its output.

    Integers are a byte with their length and sign, then so many bytes, lowest first; a tensor is its version, four
    sizes and float32 values. Source: dlib, serialize.h and cuda/tensor.h.

    Args:
        data: the file's bytes.
    """

    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def integer(self) -> int:
        """The next integer."""
        head = self._take(1)[0]
        value = int.from_bytes(self._take(head & ~NEGATIVE), "little")
        return -value if head & NEGATIVE else value

    def tensor(self) -> np.ndarray:
        """The next tensor, flat float32."""
        version, *sizes = (self.integer() for _ in range(5))
        if version != TENSOR_VERSION or min(sizes) < 0:
            raise ValueError(
                f"Expected a tensor of version {TENSOR_VERSION}, received version {version} with sizes {sizes} at byte "
                f"{self.position}. Pass {MEMBER} of face_recognition_models 0.3.0."
            )
        return np.frombuffer(self._take(4 * int(np.prod(sizes))), "<f4")

    def layers(self) -> list[tuple[str, np.ndarray]]:
        """(name, parameters) of all layers that have some."""
        found = []
        while (following := self._next_name()) is not None:
            name, self.position = following
            for _ in range(LAYERS[name]):
                self.integer()
            found.append((name, self.tensor()))
        return found

    def _next_name(self) -> tuple[str, int] | None:
        """The nearest of the names, and where it ends; inside of tensors nothing is searched."""
        starts = {name: self.data.find(_serialised(name), self.position) for name in LAYERS}
        starts = {name: start for name, start in starts.items() if start >= 0}
        if not starts:
            return None
        name = min(starts, key=starts.__getitem__)
        return name, starts[name] + len(_serialised(name))

    def _take(self, count: int) -> bytes:
        taken = self.data[self.position : self.position + count]
        if len(taken) != count:
            raise ValueError(
                f"Expected {count} bytes more at byte {self.position}, received a file of {len(self.data)} bytes. It "
                "is incomplete: download the package again."
            )
        self.position += count
        return taken


def _serialised(name: str) -> bytes:
    return bytes([1, len(name)]) + name.encode()


def convert_layers(layers: Sequence[tuple[str, np.ndarray]], shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Weights of our network out of dlib's layers.

    Args:
        layers: pairs of a convolution and the affine map behind it, in the order of the network, then the linear map.
        shapes: of our weights, in that order.

    Returns:
        As in `shapes`, float16.

    Raises:
        ValueError: if layers are missing, left over, or of another size.
    """
    weights = {name: shape for name, shape in shapes.items() if name.endswith("weight")}
    expected = [CONVOLUTION, AFFINE] * (len(weights) - 1) + [LINEAR]
    if [name for name, _ in layers] != expected:
        raise ValueError(
            f"Expected {len(weights) - 1} convolutions with an affine map each and one linear map, received "
            f"{[name for name, _ in layers]}. Pass {MEMBER}."
        )
    converted = {}
    parameters = [values.astype(np.float64) for _, values in layers]
    *names, last = weights
    for name, convolution, affine in zip(names, parameters[0:-1:2], parameters[1:-1:2], strict=True):
        gain, offset = np.split(affine, 2)
        count = len(gain)
        filters = _shaped(name, convolution[:-count], shapes[name])
        converted[name] = filters * gain[:, None, None, None]
        converted[name.replace("weight", "bias")] = convolution[-count:] * gain + offset
    converted[last] = _shaped(last, parameters[-1], shapes[last][::-1]).T
    return {name: torch.from_numpy(np.ascontiguousarray(values)).half() for name, values in converted.items()}


def _shaped(name: str, values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    if len(values) != np.prod(shape):
        raise ValueError(f"Expected {int(np.prod(shape))} values for {name}, received {len(values)}. Pass {MEMBER}.")
    return values.reshape(shape)


def read_member(path: Path) -> bytes:
    """The network's bytes, from the package's .tar.gz or from the bare .dat.

    Raises:
        ValueError: if the archive lacks the file.
    """
    if not tarfile.is_tarfile(path):
        return path.read_bytes()
    with tarfile.open(path) as archive:
        for member in archive:
            if Path(member.name).name == MEMBER:
                return archive.extractfile(member).read()
    raise ValueError(f"Expected {MEMBER} inside {path}, received an archive without it; pass face_recognition_models.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="face_recognition_models-0.3.0.tar.gz, or the .dat in it")
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors file")
    arguments = parser.parse_args()
    shapes = {name: tensor.shape for name, tensor in PhotoIdentity().state_dict().items()}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(convert_layers(DlibReader(read_member(arguments.package)).layers(), shapes), arguments.output)


if __name__ == "__main__":
    main()
