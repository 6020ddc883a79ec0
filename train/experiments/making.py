"""The commands that make shards: of clips, a shard each, and of made-up people by their numbers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.video import open_frames

from .arguments import check_count, check_files, input_errors_as_messages
from .shards import save_shard

ClipPairs = Callable[[list[Tensor], FaceLandmarker, OpenFaceModel], Sequence[Any]]


def make_filmed(description: str, clip_pairs: ClipPairs) -> None:
    """The command FOLDER CLIP...; `clip_pairs` finds the pairs, of one source or more, in the frames of a clip."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    options = parser.parse_args()
    check_files(parser, options.clips)
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    landmarker, face_model = FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    with torch.inference_mode(), input_errors_as_messages(parser):
        for clip in options.clips:
            path = options.folder / f"filmed-{clip.stem}.safetensors"
            if path.exists():
                continue
            pairs = clip_pairs(list(open_frames(clip)), landmarker, face_model)
            if pairs:
                save_shard(path, [(f"{clip.stem}-{number}", each) for number, each in enumerate(pairs)])
            print(f"{clip.stem}: {sum(map(len, pairs))} pairs", flush=True)


def faces_of(frames: list[Tensor], count: int, landmarker: FaceLandmarker) -> list[tuple[Tensor, Tensor]]:
    """Of so many frames (H, W, 3), spread over all of them, those that show one face, with its mesh (478, 3) px."""
    rows = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    faces = [(frames[row], landmarker(frames[row][None])[0]) for row in sorted(set(rows.tolist()))]
    return [(frame, found.points[0]) for frame, found in faces if len(found) == 1]


def make_people(
    description: str, name: str, people: int, per_shard: int, prepare: Callable[[], Callable[[int], Any]]
) -> None:
    """The command FOLDER --people N.

    Args:
        description: of the command; its first line is shown.
        name: the shards' names begin with it.
        people: how many, where the command does not say.
        per_shard: people of a shard.
        prepare: makes what finds the pairs of a person by number; it may find none.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=people, help="default: %(default)s")
    options = parser.parse_args()
    check_count(parser, "people", options.people)
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    pairs_of = prepare()
    with torch.inference_mode():
        for first in range(0, options.people, per_shard):
            path = options.folder / f"{name}-{first:05d}.safetensors"
            if path.exists():
                continue
            numbers = range(first, min(first + per_shard, options.people))
            found = [(f"{number:05d}", pairs_of(number)) for number in numbers]
            save_shard(path, [(person, pairs) for person, pairs in found if pairs is not None])
            print(path.name, flush=True)
