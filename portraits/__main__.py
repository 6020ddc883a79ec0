"""Command line: render shards of synthetic heads in parallel, resumably; or a contact sheet, an image, a clip."""

import os

# One thread a process; must be set before numpy loads its linear algebra.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
from pathlib import Path  # noqa: E402

from .export import write_clip, write_image, write_sheet  # noqa: E402
from .head import Head  # noqa: E402
from .motion import MOTIONS  # noqa: E402
from .production import render_shards  # noqa: E402
from .shards import ShardConfig  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    """Read and check the command line."""
    parser = argparse.ArgumentParser(prog="python -m portraits", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--output", type=Path, help="folder for WebDataset shards")
    what.add_argument("--sheet", type=Path, help="contact sheet PNG: one row per identity, one column per frame")
    what.add_argument("--image", "--picture", type=Path, help="neutral frontal portrait PNG of the identity --first")
    what.add_argument("--video", type=Path, help="talking clip (mp4) of the identity --first")
    parser.add_argument("--identities", type=int, default=6)
    parser.add_argument("--frames", type=int, default=6, help="frames of each identity")
    parser.add_argument("--size", type=int, default=128, help="side of the square image")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--motion", choices=sorted(MOTIONS), default="stills")
    parser.add_argument("--first", type=int, default=0, help="first (or only) identity of a sheet, image or video")
    parser.add_argument("--truth", action="store_true", help="draw landmarks, pupils and labels on the sheet")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    for name in ("identities", "frames", "size", "workers"):
        if getattr(arguments, name) < 1:
            parser.error(f"expected --{name} of at least 1; got {getattr(arguments, name)}; pass a positive number")
    return arguments


def main() -> None:
    """Run."""
    a = parse_arguments()
    if a.output:
        render_shards(ShardConfig(a.identities, a.frames, a.size, a.seed, a.motion), a.output, a.workers)
    elif a.sheet:
        members = range(a.first, a.first + a.identities)
        write_sheet(Head(), a.sheet, a.seed, members, a.frames, a.size, a.motion, a.truth)
    elif a.image:
        write_image(Head(), a.image, a.seed, a.first, a.size)
    else:
        write_clip(Head(), a.video, a.seed, a.first, a.frames, a.size)


if __name__ == "__main__":
    main()
