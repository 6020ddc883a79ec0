"""MediaPipe's selfie segmenter (one TFLite net) -> safetensors and graph JSON, as `face_landmarker` does it for faces.

The net lies in the npm package `@mediapipe/selfie_segmentation`. Needs the `tflite` package.
`python -m tools.person_segmenter PACKAGE_TGZ --output DIR` writes both files.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from .face_landmarker import GraphConverter

MEMBER = "package/selfie_segmentation.tflite"
NAME = "person_segmenter"


class SegmenterConverter(GraphConverter):
    """Knows the operators that the face nets lack."""

    def _add(self, name: str, inputs: list[int], output: int, record: object) -> None:
        if name == "AVERAGE_POOL_2D":
            self._add_average_pool(inputs, output, record)
        elif name == "RESIZE_BILINEAR":
            self._add_resize(inputs, output, record)
        elif name == "Convolution2DTransposeBias":
            self._add_transposed_convolution(inputs, output, record)
        else:
            super()._add(name, inputs, output, record)

    def _add_average_pool(self, inputs: list[int], output: int, record: object) -> None:
        options = self.source.options(record, "Pool2DOptions")
        kernel, size = [options.FilterHeight(), options.FilterWidth()], self.source.shape(inputs[0])[1:3]
        if kernel != size or self.source.shape(output)[1:3] != [1, 1]:
            raise ValueError(
                f"Expected average pooling over the whole image {size}, received {kernel}; extend the converter."
            )
        self._node("mean", inputs, output, axes=[2, 3])

    def _add_resize(self, inputs: list[int], output: int, record: object) -> None:
        options = self.source.options(record, "ResizeBilinearOptions")
        if options.AlignCorners() == options.HalfPixelCenters():
            raise ValueError("Expected a resize with half-pixel centres or aligned corners; extend the converter.")
        size, aligned = self.source.shape(output)[1:3], bool(options.AlignCorners())
        self._node("resize", inputs[:1], output, size=size, align_corners=aligned)

    def _add_transposed_convolution(self, inputs: list[int], output: int, record: object) -> None:
        """MediaPipe's own operator. Its options are three int32; the last two are the strides."""
        stride = np.frombuffer(record.CustomOptionsAsNumpy().tobytes(), "<i4")[1:].tolist()
        kernel = self._constant(inputs[1])  # (out, h, w, in)
        if list(kernel.shape[1:3]) != stride:
            raise ValueError(
                f"Expected a transposed convolution whose kernel is as large as its stride, received "
                f"{kernel.shape[1:3]} and {stride}; extend the converter."
            )
        weight, bias = self._weight(kernel.transpose(3, 0, 1, 2)), self._weight(self._constant(inputs[2]))
        self._node("transposed_convolution", inputs[:1], output, weight=weight, bias=bias, stride=stride)


def read_net(path: Path) -> bytes:
    """The net's bytes, from the npm package's .tgz or from the bare .tflite."""
    if not tarfile.is_tarfile(path):
        data = path.read_bytes()
        if data[4:8] == b"TFL3":
            return data
        raise ValueError(
            f"Expected the .tgz of @mediapipe/selfie_segmentation or its .tflite, received {path}; pass one of these."
        )
    with tarfile.open(path) as archive:
        if MEMBER not in archive.getnames():
            raise ValueError(f"Expected {MEMBER} inside {path}, received an archive without it; pass the npm package.")
        return archive.extractfile(MEMBER).read()


def convert_segmenter(path: Path) -> dict[str, bytes]:
    """Files of the converted net: name -> content."""
    graph, weights = SegmenterConverter(read_net(path)).convert()
    text = json.dumps(graph, separators=(",", ":")) + "\n"
    return {f"{NAME}.json": text.encode(), f"{NAME}.safetensors": save(weights)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="mediapipe-selfie_segmentation-*.tgz, or the .tflite in it")
    parser.add_argument("--output", type=Path, required=True, help="folder for the converted files")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, content in convert_segmenter(arguments.package).items():
        (arguments.output / name).write_bytes(content)


if __name__ == "__main__":
    main()
