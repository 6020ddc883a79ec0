"""Which clips are for training, which are held out while training, and which belong to a data set's official test.

A split never divides a group, so that nobody who is tested was trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from .clips import Clip

FOLDERS = {"test": "test", "val": "validation", "valid": "validation", "validation": "validation"}
# The 40 speakers of VoxCeleb1's test set (those whose names begin with E); VoxCeleb2 has no such numbers.
VOXCELEB1_TEST = frozenset(f"id{number}" for number in range(10270, 10310))


def read_test_list(path: Path) -> frozenset[str]:
    """Names of a file with one identity, video or clip a line; empty lines and lines with # are passed over.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of names, received {str(path)!r} where none lies. Check --test-list.")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def assign_splits(clips: Sequence[Clip], tested: Collection[str], validation_every: int) -> dict[str, str]:
    """Split of every group.

    A group is tested if one of its clips lies in a folder `test`, is a test speaker of VoxCeleb1, or is on the list;
    it is held out if one lies in a folder `val`, or if its name's hash says so.

    Args:
        clips: all clips.
        tested: names of identities, videos, groups or clips (with or without suffix).
        validation_every: about every N-th group is held out; 0 for none.

    Raises:
        ValueError: if a name of the list is nowhere in the data.
    """
    splits, unknown = {}, set(tested)
    for clip in clips:
        known = {clip.identity, clip.video, clip.group, clip.name, str(PurePosixPath(clip.name).with_suffix(""))}
        unknown -= known
        found = _split_of(clip, bool(known & set(tested)), validation_every)
        if splits.get(clip.group) != "test" and (found != "train" or clip.group not in splits):
            splits[clip.group] = found
    if unknown:
        raise ValueError(
            f"Expected the names of the test list in the data, received {len(unknown)} that are not, such as "
            f"{min(unknown)!r}. Write identities, videos or clips as they stand in the folder."
        )
    return splits


def _split_of(clip: Clip, is_listed: bool, validation_every: int) -> str:
    folders = {FOLDERS[part.lower()] for part in PurePosixPath(clip.name).parts[:-1] if part.lower() in FOLDERS}
    if is_listed or "test" in folders or clip.group in VOXCELEB1_TEST:
        return "test"
    if "validation" in folders or (validation_every and _hash(clip.group) % validation_every == 0):
        return "validation"
    return "train"


def _hash(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)
