"""Arrows between the rooms of training, the renderer and the tools."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imported(file: Path) -> set[str]:
    """Full names of the modules that a file imports, relative ones resolved."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            found.add(".".join([*base, *((node.module or "").split("."))]).strip("."))
    return found


def starts_with(names: set[str], *packages: str) -> set[str]:
    return {name for name in names if any(f"{name}.".startswith(f"{package}.") for package in packages)}


@pytest.mark.parametrize("file", sorted((ROOT / "train/loop").glob("*.py")), ids=lambda file: file.stem)
def test_the_loop_knows_neither_networks_nor_faces(file):
    rooms = ("models", "generation", "schedulers", "face", "losses", "perception", "pipelines")
    assert not starts_with(imported(file), *(f"diffusionact.{room}" for room in rooms))


@pytest.mark.parametrize("file", sorted((ROOT / "portraits").glob("*.py")), ids=lambda file: file.stem)
def test_the_renderer_stands_on_its_own(file):
    assert not starts_with(imported(file), "train", "tools", "torch", "accelerate")


@pytest.mark.parametrize("file", sorted((ROOT / "train").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_training_needs_no_tool(file):
    assert not starts_with(imported(file), "tools")


@pytest.mark.parametrize("package", ["portraits", "train"])
def test_modules_import_each_other_in_no_circle(package):
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in (ROOT / package).rglob("*.py")
    }
    graph = {name: imported(file) & files.keys() - {name} for name, file in files.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(files)
