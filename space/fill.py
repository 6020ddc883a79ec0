"""Fill the folder of a Hugging Face Space from this checkout: `python space/fill.py FOLDER`.

The folder is then a complete Space: commit and push it with git, or upload it with `huggingface-cli upload`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:  # Python 3.10; pytest brings it
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# What a Space runs and what it owes its visitors.
FILES = ("gradio_app.py", "LICENSE", "NOTICE", "docs/app.md", "docs/licences.md")
FOLDERS = ("diffusionact", "diffusionact_app")
# Spaces bring their own gradio, torch fitting the GPU, and `spaces`.
BROUGHT = ("torch", "gradio")


def fill(folder: Path) -> None:
    """Write the Space.

    Args:
        folder: new, empty, or one that was filled before; a `.git` in it stays.

    Raises:
        ValueError: if the folder holds something else.
    """
    _check(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.tmp"))
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    readme = (HERE / "README.md").read_text(encoding="utf-8").replace("{gradio}", tested_version("gradio"))
    (folder / "README.md").write_text(readme, encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements(), encoding="utf-8")
    # PyAV brings FFmpeg's libraries; the program makes gradio show clips in formats that browsers do not know.
    (folder / "packages.txt").write_text("ffmpeg\n", encoding="utf-8")


def requirements() -> str:
    """The library's dependencies without what a Space brings, and `spaces` for the GPU."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line for line in project["dependencies"] if not line.startswith(BROUGHT)]
    return "".join(f"{line}\n" for line in ["torch", *wanted, "spaces"])


def tested_version(package: str) -> str:
    """A version of constraints.txt."""
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{package}=="):
            return line.split("==")[1].split(";")[0].strip()
    raise ValueError(f"Expected {package} in constraints.txt, received none. Add the version that was tested.")


def _check(folder: Path) -> None:
    if not folder.exists():
        return
    others = [path.name for path in folder.iterdir() if path.name not in (".git", ".gitattributes")]
    if others and "gradio_app.py" not in others:
        raise ValueError(
            f"Expected a new or empty folder, or a Space filled before, received {str(folder)!r} with {others[0]!r} "
            "in it. Choose another folder."
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        fill(options.folder)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"fill: {error}\n")
        return 2
    sys.stdout.write(f"The Space lies in {options.folder}; push it with git.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
