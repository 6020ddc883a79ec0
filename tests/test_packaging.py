"""The lists of dependencies agree with each other and leave an existing ComfyUI alone."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from setuptools import find_packages

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
BROUGHT_BY_COMFYUI = {"torch", "numpy", "pillow"}


def read_requirements(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    return by_name(line for line in lines if line and not line.startswith("#"))


def by_name(lines) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    return {re.sub(r"[-_.]+", "-", requirement.name).lower(): requirement for requirement in requirements}


def test_requirements_are_the_dependencies_without_what_comfyui_brings():
    dependencies = by_name(PROJECT["dependencies"])
    expected = {name: str(value) for name, value in dependencies.items() if name not in BROUGHT_BY_COMFYUI}
    assert {name: str(value) for name, value in read_requirements("requirements.txt").items()} == expected


def test_dependencies_have_lower_bounds_only():
    for requirement in by_name(PROJECT["dependencies"]).values():
        assert [specifier.operator for specifier in requirement.specifier] == [">="], requirement


def test_every_direct_dependency_has_a_tested_version():
    tested = read_requirements("constraints.txt")
    # The extra "gpu" could not be run for want of a GPU, so that no version of it is a tested one.
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() if name != "gpu" for line in lines]
    for name, requirement in by_name(PROJECT["dependencies"] + extras).items():
        if name == PROJECT["name"]:
            continue
        version = next(iter(tested[name].specifier)).version
        assert requirement.specifier.contains(version), requirement


def test_every_data_file_of_the_package_goes_into_the_wheel():
    package = ROOT / "diffusionact"
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["diffusionact"]
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    present = {path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert present <= packed


def test_the_wheel_holds_library_and_app_and_nothing_that_builds_or_trains():
    found = find_packages(str(ROOT), include=PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"])
    assert {name.partition(".")[0] for name in found} == {"diffusionact", "diffusionact_app"}


def test_every_tool_is_in_the_list_of_tools():
    listed = (ROOT / "tools/README.md").read_text()
    assert [path.stem for path in (ROOT / "tools").glob("[!_]*.py") if path.stem not in listed] == []
