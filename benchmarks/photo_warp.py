"""Time of a frame of the photo warp, against the sketch that it grew from and the 68-point warp, on the same photo.

    OMP_NUM_THREADS=1 python benchmarks/photo_warp.py --output benchmarks/results/photo_warp.json
    OMP_NUM_THREADS=1 python benchmarks/photo_warp.py --parts

Processor time of one thread, the least and the middle of several frames, one of each after the other; the person is cut
out, and the driver turns, opens the mouth and looks aside, so that every part is drawn. The photo is scikit-image's
astronaut, or any other with `--photo`. The sketch (see `photo_warp_sketch.py`) is left out where it is not there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.photo_warp_parts import WHOLE, measure_parts  # noqa: E402
from benchmarks.photo_warp_sketch import FOLDER, missing, sketch_frames  # noqa: E402
from diffusionact.evaluation.landmark_warp import warp_by_landmarks  # noqa: E402
from diffusionact.face.geometry.rotations import head_pose_to_matrix  # noqa: E402
from diffusionact.face.readers.open.face_model import OpenFaceModel  # noqa: E402
from diffusionact.images import load_image, model_to_uint8, resize, uint8_to_model  # noqa: E402
from diffusionact.warping import WarpMotion, WarpRenderer, prepare_source, read_face, with_matte  # noqa: E402
from diffusionact.warping.motion import move_irises  # noqa: E402
from diffusionact.warping.photo import PhotoPreparer  # noqa: E402
from diffusionact.warping.placement import plane_to_aligned  # noqa: E402
from diffusionact.warping.topology import LIP_RING, load_topology  # noqa: E402
from diffusionact.warping.values import HeadPlacement, WarpSource  # noqa: E402

YAW_DEG, PITCH_DEG = 15.0, 5.0
MOUTH_OPENING_CM = 1.2
GAZE_RAD = (0.1, 0.25)


def main() -> None:
    """Print one row per size and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, help="default: scikit-image's astronaut")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--frames", type=int, default=15)
    parser.add_argument("--parts", action="store_true", help="operations and time of every part of a frame instead")
    parser.add_argument("--sketch", type=Path, default=FOLDER, help="folder of the sketch")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    photo = load_image(options.photo) if options.photo else astronaut()
    preparer = PhotoPreparer()
    start = time.process_time()
    reading = read_face(photo, preparer.landmarker, OpenFaceModel.from_bundled())
    matte = preparer.cut_out(photo, reading.mesh)
    source = with_matte(prepare_source(photo, reading), matte.alpha, matte.foreground, matte.background)
    prepared = time.process_time() - start
    print(f"source: {prepared:.2f} s, aligned crop of {int(source.crop_side)} px")
    motion = turned(source)
    if options.parts:
        for size in options.sizes:
            print_parts(WarpRenderer(source, size), motion, options.frames)
        return
    lack, sketch = missing(options.sketch), None
    if lack is None:
        turn = motion.placement.rotation[0] @ source.rotation[0].T
        sketch = sketch_frames(photo, reading.mesh, matte.alpha[0, 0], turn, motion.change[0], options.sketch)
    else:
        print(f"the sketch is left out: {lack}")
    rows = [measure(source, motion, size, options.frames, sketch and sketch(size)) for size in options.sizes]
    if options.output:
        report = {"threads": 1, "source_seconds": prepared, "rows": rows}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


def print_parts(renderer: WarpRenderer, motion: WarpMotion, frames: int) -> None:
    """A table of one size."""
    parts = measure_parts(renderer, motion, frames)
    print(f"\n| {renderer.width} px | operations | ms |\n|---|---|---|")
    rest = {
        key: value - sum(parts[part][key] for part in parts if part != WHOLE) for key, value in parts[WHOLE].items()
    }
    for name, values in {**parts, "rest": rest}.items():
        print(f"| {name} | {values['operations']} | {values['ms']:.2f} |")


def astronaut() -> torch.Tensor:
    """NASA's portrait in scikit-image, (512, 512, 3) uint8."""
    from skimage import data

    return torch.from_numpy(data.astronaut())


def turned(source: WarpSource) -> WarpMotion:
    """The head turned, the mouth opened, the eyes looking aside."""
    turn = head_pose_to_matrix(torch.tensor([[YAW_DEG, PITCH_DEG, 0.0]]))
    placement = HeadPlacement(turn @ source.rotation, source.scale, source.shift)
    change = torch.zeros(1, *source.shape.shape)
    change[:, list(LIP_RING[11:]), 1] -= MOUTH_OPENING_CM
    return WarpMotion(placement, move_irises(source.shape, change, source.gaze, torch.tensor([GAZE_RAD])))


def measure(
    source: WarpSource, motion: WarpMotion, size: int, frames: int, sketch: Callable[[], object] | None
) -> dict[str, float]:
    """Milliseconds of the warps at a size, and ratios of their least."""
    renderer = WarpRenderer(source, size)
    warp, *others = alternating([lambda: renderer.render(motion), *([sketch] if sketch else [])], frames)
    base = alternating([landmark_warp(source, motion, size)], max(3, frames // 5))[0]
    row = {
        "size": size,
        "warp_ms_least": 1e3 * min(warp),
        "warp_ms_middle": 1e3 * statistics.median(warp),
        "landmark_warp_ms_least": 1e3 * min(base),
        "landmark_warp_to_warp": min(base) / min(warp),
    }
    for drawn in others:
        row |= {"sketch_ms_least": 1e3 * min(drawn), "warp_to_sketch": min(warp) / min(drawn)}
    print(json.dumps({name: round(value, 2) for name, value in row.items()}))
    return row


def landmark_warp(source: WarpSource, motion: WarpMotion, size: int) -> Callable[[], torch.Tensor]:
    """A call of the 68-point warp, from the photo's landmarks to those of the motion."""
    matrix = load_topology().landmark_matrix
    positions = [source.placement.place(source.shape[None]), motion.placement.place(source.shape + motion.change)]
    marks = [(matrix @ plane_to_aligned(plane)[..., :2] + 0.5) * size / 256 - 0.5 for plane in positions]
    side, crop = source.texture.shape[-1], int(source.crop_side)
    margin = (side - crop) // 2
    image = resize(source.texture[None, :, margin : margin + crop, margin : margin + crop] * 2 - 1, size)
    image = uint8_to_model(model_to_uint8(image))
    return lambda: warp_by_landmarks(image, *marks)


def alternating(calls: list[Callable[[], object]], count: int) -> list[list[float]]:
    """Processor time of `count` rounds of calls, one after the other, after one round to warm up."""
    times = [[] for _ in calls]
    for number in range(count + 1):
        for call, spent in zip(calls, times, strict=True):
            start = time.process_time()
            call()
            if number:
                spent.append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
