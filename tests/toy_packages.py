"""Packages with an entry point, as pip would have installed them, for tests."""

from pathlib import Path


def write_distribution(folder: Path, name: str, group: str, point: str, value: str) -> Path:
    """A dist-info folder with one entry point; returns the folder to put on the path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{point} = {value}\n")
    return folder
