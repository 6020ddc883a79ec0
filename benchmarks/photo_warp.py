"""Time of a frame of the photo warp, against the 68-point warp on the same photo.

    OMP_NUM_THREADS=1 python benchmarks/photo_warp.py --output benchmarks/results/photo_warp.json

Processor time of one thread, the least and the middle of several frames; the driver turns, opens the mouth and looks
aside, so that every part is drawn. The photo is scikit-image's astronaut, or any other with `--photo`.
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

from diffusionact.evaluation.landmark_warp import warp_by_landmarks  # noqa: E402
from diffusionact.face.geometry.rotations import head_pose_to_matrix  # noqa: E402
from diffusionact.face.readers.open.face_model import OpenFaceModel  # noqa: E402
from diffusionact.face.readers.open.landmarker import FaceLandmarker  # noqa: E402
from diffusionact.images import load_image, model_to_uint8, resize, uint8_to_model  # noqa: E402
from diffusionact.warping import WarpMotion, WarpRenderer, prepare_source, read_face  # noqa: E402
from diffusionact.warping.motion import move_irises  # noqa: E402
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
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    photo = load_image(options.photo) if options.photo else astronaut()
    landmarker, face_model = FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    reading = read_face(photo, landmarker, face_model)
    start = time.process_time()
    source = prepare_source(photo, reading)
    prepared = time.process_time() - start
    print(f"source: {prepared:.2f} s, aligned crop of {int(source.crop_side)} px")
    motion = turned(source)
    rows = [measure(source, motion, size, options.frames) for size in options.sizes]
    if options.output:
        report = {"threads": 1, "source_seconds": prepared, "rows": rows}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


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


def measure(source: WarpSource, motion: WarpMotion, size: int, frames: int) -> dict[str, float]:
    """Milliseconds of both warps at a size."""
    renderer = WarpRenderer(source, size)
    warp = seconds(lambda: renderer.render(motion), frames)
    matrix = load_topology().landmark_matrix
    positions = [source.placement.place(source.shape[None]), motion.placement.place(source.shape + motion.change)]
    marks = [(matrix @ plane_to_aligned(plane)[..., :2] + 0.5) * size / 256 - 0.5 for plane in positions]
    side, crop = source.texture.shape[-1], int(source.crop_side)
    margin = (side - crop) // 2
    image = resize(source.texture[None, :, margin : margin + crop, margin : margin + crop] * 2 - 1, size)
    image = uint8_to_model(model_to_uint8(image))
    base = seconds(lambda: warp_by_landmarks(image, *marks), max(3, frames // 5))
    row = {
        "size": size,
        "warp_ms_least": 1e3 * min(warp),
        "warp_ms_middle": 1e3 * statistics.median(warp),
        "landmark_warp_ms_least": 1e3 * min(base),
        "ratio": min(base) / min(warp),
    }
    print(
        f"{size} px: {row['warp_ms_least']:.1f} ms per frame (middle {row['warp_ms_middle']:.1f}); 68-point warp "
        f"{row['landmark_warp_ms_least']:.1f} ms, {row['ratio']:.1f} times as long"
    )
    return row


def seconds(function: Callable[[], object], count: int) -> list[float]:
    """Processor time of `count` calls after one to warm up."""
    function()
    times = []
    for _ in range(count):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
