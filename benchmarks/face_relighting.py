"""What relighting gives the photo warp when a head turns: PSNR of the face's skin with and without it, by turn.

    OMP_NUM_THREADS=1 python benchmarks/face_relighting.py --people 4     # rendered heads under known, fixed lamps
    OMP_NUM_THREADS=1 python benchmarks/face_relighting.py --people 0 --clips one.mp4 another.webp   # people who turn

A person takes about half a minute of one thread, a clip a quarter. The camera of a clip should stand still.

One frame, the most frontal, is the source; the geometry of each other frame moves it; that frame is the truth. The last
column is the bound: the warped skin with the truth's own low frequencies.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.face.readers.open.face_model import OpenFaceModel  # noqa: E402
from diffusionact.face.readers.open.landmarker import FaceLandmarker  # noqa: E402
from diffusionact.images import uint8_to_model  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact.warping import WarpRenderer, mesh_motion, prepare_source, read_face  # noqa: E402
from diffusionact.warping.canvas import lay_out  # noqa: E402
from diffusionact.warping.placement import fit_placement, mesh_to_plane, transform_mesh  # noqa: E402
from diffusionact.warping.topology import SKIN  # noqa: E402
from portraits.camera import Camera, Jitter  # noqa: E402
from portraits.frames import sample_portrait  # noqa: E402
from portraits.head import Head, PosedHead  # noqa: E402
from train.light.network import LightField  # noqa: E402
from train.light.relighting import relit_renderer  # noqa: E402

SEED, SIZE = 909, 256
HEAD_POSES_DEG = ((0, 0), (8, 0), (-8, 0), (18, 5), (-18, -5), (18, -8), (-18, 8), (32, 0), (-32, 0))
TURNS_DEG = (0, 10, 25, 90)
MIN_CONFIDENCE, MIN_SKIN_PX = 0.5, 2000
BOUND_RADIUS_PX = 10


def rendered_people(count: int) -> Iterator[list[Tensor]]:
    """Frames (H, W, 3) uint8 of each rendered person, the frontal one first."""
    head = Head()
    still = np.zeros(len(head.action_names), np.float32)
    for person in range(count):
        portrait = sample_portrait(head, np.random.default_rng((SEED, person)))
        frames = []
        for yaw, pitch in HEAD_POSES_DEG:
            posed = PosedHead(head, portrait.identity.shape, still, np.radians([yaw, pitch, 0]), np.zeros(2))
            image, _ = portrait.render(posed, Camera(posed, portrait.scene.distance, Jitter()), 384)
            frames.append(torch.from_numpy(image))
        yield frames


def evenly_spaced(frames: list[Tensor], count: int) -> list[Tensor]:
    """At most `count` of a clip's frames, the first and the last among them."""
    rows = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[row] for row in rows]


def compare(
    frames: list[Tensor], landmarker: FaceLandmarker, face_model: OpenFaceModel, network: LightField | None
) -> list[tuple[float, ...]]:
    """For each frame but the source: turn in degrees, and dB without light, with it, by a network, at the bound."""
    found = [(frame, faces.points[0]) for frame in frames if len(faces := landmarker(frame[None])[0])]
    rotations = fit_placement(mesh_to_plane(torch.stack([mesh for _, mesh in found]))).rotation
    index = int(rotations[:, 2, 2].argmax())
    photo = found[index][0]
    reading = read_face(photo, landmarker, face_model)
    source = prepare_source(photo, reading)
    renderers = [WarpRenderer(source, SIZE, relight=0.0), WarpRenderer(source, SIZE)]
    renderers.append(renderers[1] if network is None else relit_renderer(network, source, SIZE))
    rows = []
    for frame, mesh in found[:index] + found[index + 1 :]:
        motion = mesh_motion(source, transform_mesh(mesh[None], reading.aligned[None]))
        plain, lit, learned = (renderer.render(motion) for renderer in renderers)
        skin = ((plain.labels == SKIN) & (plain.confidence > MIN_CONFIDENCE))[0, 0]
        if skin.sum() < MIN_SKIN_PX:
            continue
        truth = _aligned(frame, reading.aligned, int(source.crop_side))
        images = plain.images[0], lit.images[0], learned.images[0], _bound(plain.images[0], truth, skin)
        turn = ((motion.placement.rotation[0] * source.rotation[0]).sum() - 1) / 2
        rows.append((float(torch.rad2deg(turn.clamp(-1, 1).acos())), *(_psnr(image, truth, skin) for image in images)))
    return rows


def _aligned(frame: Tensor, aligned: Tensor, crop_side: int) -> Tensor:
    """A frame (H, W, 3) uint8 in the source's aligned crop, (3, SIZE, SIZE) in [-1, 1]."""
    canvas, _ = lay_out((uint8_to_model(frame[None])[0] + 1) / 2, aligned, crop_side)
    margin = (canvas.shape[-1] - crop_side) // 2
    crop = canvas[None, :, margin : margin + crop_side, margin : margin + crop_side]
    return F.interpolate(crop, size=(SIZE, SIZE), mode="bilinear", antialias=True)[0] * 2 - 1


def _bound(image: Tensor, truth: Tensor, skin: Tensor) -> Tensor:
    """The image with the truth's low frequencies on the skin, (3, SIZE, SIZE) in [-1, 1]."""

    def low(values: Tensor) -> Tensor:
        for _ in range(3):
            values = F.avg_pool2d(values[None], 2 * BOUND_RADIUS_PX + 1, 1, BOUND_RADIUS_PX)[0]
        return values

    share = low((truth + 1) * skin) / low((image + 1) * skin).clamp(min=1e-3)
    return ((image + 1) * share.clamp(0.5, 2.0) - 1).clamp(-1, 1)


def _psnr(image: Tensor, truth: Tensor, where: Tensor) -> float:
    return float(-10 * torch.log10(((image - truth) / 2).square().mean(0)[where].mean()))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=2, help="rendered people (default: %(default)s)")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="one person, fixed camera and light each")
    parser.add_argument("--frames", type=int, default=6, help="of each clip, evenly spaced (default: %(default)s)")
    parser.add_argument("--network", type=Path, help="folder of a trained light field; without it the harmonics alone")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = None if options.network is None else LightField.from_pretrained(options.network).eval()
    nets = FaceLandmarker().eval(), OpenFaceModel.from_bundled(), network
    clips = (evenly_spaced(list(open_frames(clip)), options.frames) for clip in options.clips)
    report = {}
    with torch.inference_mode():
        for kind, films in (("rendered heads", rendered_people(options.people)), ("clips", clips)):
            rows = [row for frames in films for row in compare(frames, *nets)]
            report[kind] = [_summary(rows, low, high) for low, high in zip(TURNS_DEG, TURNS_DEG[1:], strict=False)]
            for line in report[kind]:
                print(kind, line, flush=True)
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


def _summary(rows: list[tuple[float, ...]], low: float, high: float) -> dict[str, float | str]:
    """Means of the frames whose turn lies in [low, high) degrees."""
    chosen = np.array([row for row in rows if low <= row[0] < high]).reshape(-1, 5)
    means = chosen.mean(0) if len(chosen) else [None] * 5
    names = ("plain_db", "relit_db", "network_db", "bound_db")
    return {"turn": f"{low} to {high}", "frames": len(chosen), **dict(zip(names, means[1:], strict=True))}


if __name__ == "__main__":
    main()
