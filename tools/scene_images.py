"""The images of docs/scenes.md, by the commands that its captions are about.

    python -m tools.scene_images [motion close source_video group group_clip alpha]

Sources are the bundled media: NASA's portrait of an astronaut, and AI-generated people. Where one moment stands for a
motion, it is the one that differs most from the first.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from diffusionact.cli import main as diffusionact
from diffusionact.images import image_to_frame
from diffusionact.video import VideoWriter, open_frames

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "images"
MEDIA = ROOT / "diffusionact" / "demo" / "media"
ASTRONAUT, CLIP = MEDIA / "photo.jpg", MEDIA / "photo_driving.mp4"
WOMAN = ROOT / "diffusionact_app" / "media" / "woman" / "source.jpg"
MOTIONS = ("nod", "laugh", "wink", "talk", "look_around", "surprise")
# Left, upper, right and lower end of her head and shoulders in the photo, px.
HER_HEAD = (96, 0, 352, 256)
# Cuts through the hair, or the forehead, of two photos: left, upper, right and lower end, shares of the sides.
CLOSE = ((WOMAN, (0.2, 0.1, 0.86, 0.76)), (ASTRONAUT, (0.25, 0.1, 0.62, 0.47)))
# Frames per second that are rendered where only one of them is shown.
SPARSE = ("--frame-rate", "5")
# Two colours that no photo has, and how many squares of them are side by side.
MAGENTA, GREEN, SQUARES = (220, 60, 160), (60, 200, 120), 16


def reenacted(folder: Path, *words: str | Path) -> list[Image.Image]:
    """Frames of `diffusionact reenact WORDS`, made in a folder.

    Raises:
        RuntimeError: if the command failed; it has said why.
    """
    output = folder / f"{len(list(folder.iterdir()))}"
    if diffusionact(["reenact", *map(str, words), "-o", str(output)]):
        raise RuntimeError(f"Expected frames of reenact, received none for {words}. See above.")
    return [Image.open(path) for path in sorted(output.glob("*.png"))]


def peak(frames: Sequence[Image.Image]) -> Image.Image:
    """The frame that differs most from the first."""
    first = np.asarray(frames[0].convert("RGB"), float)
    return max(frames, key=lambda frame: np.abs(np.asarray(frame.convert("RGB"), float) - first).mean())


def sheet(rows: Sequence[Sequence[Image.Image]], side: int) -> Image.Image:
    """Square tiles in rows."""
    page = Image.new("RGB", (side * max(map(len, rows)), side * len(rows)))
    for line, row in enumerate(rows):
        for column, tile in enumerate(row):
            page.paste(tile.convert("RGB").resize((side, side), Image.LANCZOS), (column * side, line * side))
    return page


def motion(folder: Path) -> Image.Image:
    """Two photos, and in each a moment of every motion."""
    rows = []
    for photo in (WOMAN, ASTRONAUT):
        moving = [reenacted(folder, photo, "--motion", name, *SPARSE) for name in MOTIONS]
        rows.append([moving[0][0], *map(peak, moving)])
    return sheet(rows, 256)


def close(folder: Path) -> Image.Image:
    """Photos that are cut close, and the aligned face at rest, in a nod and turned to a side."""
    rows = []
    for index, (photo, cut) in enumerate(CLOSE):
        image = Image.open(photo)
        part = image.crop(tuple(round(share * side) for share, side in zip(cut, 2 * image.size, strict=True)))
        part.save(folder / f"close{index}.png")
        nod, turn = (
            reenacted(folder, folder / f"close{index}.png", "--motion", name, *SPARSE)
            for name in ("nod", "look_around")
        )
        rows.append([part, nod[0], peak(nod), peak(turn)])
    return sheet(rows, 256)


def source_video(folder: Path) -> Image.Image:
    """A clip, a driver, the clip with the driver's expression, and with its lips alone."""
    driver = folder / "driver.mp4"
    diffusionact(["reenact", str(WOMAN), "--motion", "laugh", "-o", str(driver)])
    changed = [
        reenacted(folder, CLIP, driver, "--driver-end", "ping-pong", "--take", part) for part in ("expression", "lips")
    ]
    there = [Image.fromarray(frame.numpy()) for frame in open_frames(driver)]
    moments = np.linspace(0, len(changed[0]) - 1, 6).round().astype(int)
    back_and_forth = [*there, *there[-2:0:-1]]
    rows = [
        [Image.fromarray(frame.numpy()) for frame in open_frames(CLIP)],
        [back_and_forth[moment % len(back_and_forth)] for moment in range(moments[-1] + 1)],
        *changed,
    ]
    return sheet([[row[moment] for moment in moments] for row in rows], 192)


def group(folder: Path) -> Image.Image:
    """Two people side by side; below one laughs while the other shakes her head."""
    photo = beside(Image.open(WOMAN), Image.open(ASTRONAUT).crop(HER_HEAD), 480)
    photo.save(folder / "two.png")
    drives = ("--drive", "0=laugh", "--drive", "1=shake")
    return above(photo, peak(reenacted(folder, folder / "two.png", *drives, *SPARSE)))


def group_clip(folder: Path) -> Image.Image:
    """Three moments of a clip of two people; below one laughs while the other is surprised."""
    clip, astronaut = folder / "two.mp4", Image.open(ASTRONAUT)
    frames = [beside(astronaut, Image.fromarray(f.numpy()), 480) for f in islice(open_frames(CLIP), 50)]
    with VideoWriter(clip, Fraction(25), (480, 960)) as writer:
        for frame in frames:
            writer.write(image_to_frame(frame))
    changed = reenacted(folder, clip, "--drive", "0=surprise", "--drive", "1=laugh")
    columns = [above(frames[moment], changed[moment]).resize((480, 480), Image.LANCZOS) for moment in (12, 24, 36)]
    page = Image.new("RGB", (3 * 480, 480))
    for index, column in enumerate(columns):
        page.paste(column, (480 * index, 0))
    return page


def alpha(folder: Path) -> Image.Image:
    """A photo, its person cut out in two poses, a matte, and the face in a larger square."""
    cut = ("--background", "transparent")
    turned, laughing = (
        peak(reenacted(folder, ASTRONAUT, "--motion", name, "--paste-back", *cut, *SPARSE))
        for name in ("look_around", "laugh")
    )
    larger = peak(reenacted(folder, ASTRONAUT, "--motion", "nod", "--source-crop", "scale=1.5", *cut, *SPARSE))
    photo, matte = Image.open(ASTRONAUT), turned.getchannel("A")
    return sheet([[photo, on_squares(turned), on_squares(laughing), matte, on_squares(larger)]], 300)


def on_squares(image: Image.Image) -> Image.Image:
    """An RGBA image over squares of two colours, so that its alpha is seen."""
    columns, rows = np.meshgrid(*(np.arange(length) * SQUARES // length for length in image.size))
    squares = np.where(((columns + rows) % 2 == 0)[..., None], MAGENTA, GREEN).astype(np.uint8)
    return Image.alpha_composite(Image.fromarray(squares).convert("RGBA"), image)


def beside(left: Image.Image, right: Image.Image, side: int) -> Image.Image:
    """Two images as squares, side by side."""
    return sheet([[left, right]], side)


def above(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Two images of one size, one above the other."""
    page = Image.new("RGB", (upper.width, 2 * upper.height))
    page.paste(upper, (0, 0))
    page.paste(lower.convert("RGB"), (0, upper.height))
    return page


IMAGES: dict[str, Callable[[Path], Image.Image]] = {
    "motion": motion,
    "close": close,
    "source_video": source_video,
    "group": group,
    "group_clip": group_clip,
    "alpha": alpha,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or IMAGES:
        with tempfile.TemporaryDirectory(prefix="diffusionact-images-") as scratch:
            IMAGES[chosen](Path(scratch)).save(OUTPUT / f"{chosen}.jpg", quality=88)
