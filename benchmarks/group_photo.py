"""Many faces in one large photo: how many are found, how long a frame takes, and memory that must not grow with length.

    OMP_NUM_THREADS=1 python benchmarks/group_photo.py PHOTO PHOTO ... --frames 3 12
    OMP_NUM_THREADS=1 python benchmarks/group_photo.py PHOTO PHOTO ... --frames 60 90 --faces 0 1
    OMP_NUM_THREADS=1 python benchmarks/group_photo.py --writing 12 30 60

Puts photos of one person each into a grid that fills a frame of 3840 x 2160 px, and again at a third of that size
within their cells; moves all faces, or some, by motions in a process of its own for each number of frames. `--writing`
encodes so many frames without a face, as the encoder holds some: what grows with the first of them is its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from diffusionact.face.readers.open.landmarker import FaceLandmarker  # noqa: E402
from diffusionact.images import load_image, model_to_uint8, resize, save_png, uint8_to_model  # noqa: E402
from diffusionact.video import VideoWriter  # noqa: E402

WIDTH, HEIGHT = 3840, 2160
SMALLER = 3


def compose(photos: list[Path], shrink: int = 1) -> torch.Tensor:
    """uint8 (2160, 3840, 3): a grid of the photos, each in the middle of its cell."""
    columns = math.ceil(math.sqrt(len(photos) * WIDTH / HEIGHT))
    rows = math.ceil(len(photos) / columns)
    height, width = HEIGHT // rows, WIDTH // columns
    canvas = torch.full((HEIGHT, WIDTH, 3), 128, dtype=torch.uint8)
    for index, path in enumerate(photos):
        photo = load_image(path)
        scale = min(height / photo.shape[0], width / photo.shape[1]) / shrink
        size = tuple(round(side * scale) for side in photo.shape[:2])
        small = model_to_uint8(resize(uint8_to_model(photo[None]), size))[0]
        top = index // columns * height + (height - size[0]) // 2
        left = index % columns * width + (width - size[1]) // 2
        canvas[top : top + size[0], left : left + size[1]] = small
    return canvas


@torch.no_grad()
def found(photo: torch.Tensor) -> dict[str, float]:
    """Faces that the ordinary look finds, and those of the search."""
    landmarker = FaceLandmarker().eval()
    ordinary = len(landmarker(photo[None])[0])
    started = time.perf_counter()
    searched = landmarker.search_group(photo)
    widths = (searched.points[..., 0].amax(1) - searched.points[..., 0].amin(1)).round().int().tolist()
    return {
        "ordinary": ordinary,
        "searched": len(searched),
        "seconds": time.perf_counter() - started,
        "face_widths_px": widths,
    }


def run(photo: Path, faces: list[str], frames: int, output: Path) -> dict[str, float]:
    """Move faces in a child process; its peak memory in megabytes, and its seconds."""
    words = ["reenact", str(photo), "-o", str(output), "--seconds", str(frames / 25)]
    words += [word for face in faces for word in ("--drive", f"{face}=laugh")]
    return measured([sys.executable, "-m", "diffusionact", *words, "--overwrite", "--device", "cpu"])


def write_frames(path: Path, count: int) -> None:
    """A video of so many frames that change a little."""
    frame = torch.randint(0, 32, (HEIGHT, WIDTH, 3), dtype=torch.uint8) + 100
    with VideoWriter(path, Fraction(25), (HEIGHT, WIDTH)) as writer:
        for index in range(count):
            frame[: HEIGHT // 8] = index % 256
            writer.write(frame)


def measured(command: list[str]) -> dict[str, float]:
    """Peak memory in megabytes and seconds of a child process."""
    started = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"Expected {' '.join(command)} to succeed, received status {status}. Run it by hand.")
    return {"peak_mb": usage.ru_maxrss / 1024, "seconds": time.perf_counter() - started}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--frames", type=int, nargs="*", default=[3, 12], help="3 or more, as motions last 0.1 s")
    parser.add_argument("--faces", nargs="+", default=["all"], help="which move, as for `reenact --drive`")
    parser.add_argument("--writing", type=int, nargs="*", default=[], help="numbers of frames to encode, and no more")
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    if options.write:
        with tempfile.TemporaryDirectory() as name:
            write_frames(Path(name) / "written.mp4", options.write)
        return
    for count in options.writing:
        print(f"{count} frames written: {measured([sys.executable, __file__, '--write', str(count)])}", flush=True)
    if not options.photos:
        return
    figures = {"photos": len(options.photos), "found": {}, "runs": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shrink in (SMALLER, 1):
            photo = compose(options.photos, shrink)
            save_png(folder / "group.png", photo, provenance=False)
            figures["found"][f"1/{shrink}"] = found(photo)
            print(f"faces at 1/{shrink}:", figures["found"][f"1/{shrink}"], flush=True)
        for count in options.frames:
            figures["runs"][count] = run(folder / "group.png", options.faces, count, folder / "group.mp4")
            print(f"{count} frames: {figures['runs'][count]}", flush=True)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
