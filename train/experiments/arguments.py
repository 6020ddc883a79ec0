"""What the commands of the experiments are given, checked at their doors: folders of shards, clips, numbers."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


def check_shards(parser: ArgumentParser, folder: Path | None, command: str) -> None:
    """End with a message unless the folder, if one is given, holds shards, which `command` makes."""
    if folder is not None and not any(folder.glob("*.safetensors")):
        parser.error(f"expected a folder of shards, received {folder}, which has none; run {command} first")


def check_files(parser: ArgumentParser, clips: list[Path]) -> None:
    """End with a message unless all of these are files."""
    missing = [str(clip) for clip in clips if not clip.is_file()]
    if missing:
        parser.error(f"expected clips, received {', '.join(missing)}, no such file; check the paths")


def check_model(parser: ArgumentParser, folder: Path | None, name: str, command: str) -> None:
    """End with a message unless the folder, if one is given, holds the file `name` that `command` writes."""
    if folder is not None and not (folder / name).is_file():
        parser.error(f"expected the folder of a trained network, received {folder} without {name}; run {command} first")


def check_count(parser: ArgumentParser, name: str, value: int) -> None:
    """End with a message unless a number is positive."""
    if value < 1:
        parser.error(f"expected --{name} of at least 1, received {value}; pass a positive number")


def check_fields(path: Path, received: set[str], expected: set[str]) -> None:
    """Raise a ValueError unless a shard holds what its kind holds."""
    if received != expected:
        raise ValueError(
            f"Expected a shard with {', '.join(sorted(expected))}, received {path} with {', '.join(sorted(received))}; "
            f"give the folder that the command of this experiment wrote."
        )


@contextmanager
def input_errors_as_messages(parser: ArgumentParser) -> Iterator[None]:
    """End with the message of what is wrong in a file that was given, without a traceback."""
    try:
        yield
    except SafetensorError as error:
        parser.error(f"expected whole shards, received one that is not ({error}); delete it and make it again")
    except (ValueError, OSError) as error:
        parser.error(str(error))
