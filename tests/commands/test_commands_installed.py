"""Commands that other packages bring, found by their entry points, and what is said where one is absent."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from diffusionact.cli import build_parser, main
from diffusionact.commands.installed import APP, ENTRY_POINT_GROUP

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
GREETING = """
def add_command(commands):
    parser = commands.add_parser("greet")
    parser.add_argument("--name")
    parser.set_defaults(run=lambda options: print("hello", options.name))
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package as pip leaves it: a module, and metadata with an entry point of our group."""

    def install(entry_point: str, module: str = "") -> None:
        (tmp_path / "greeting.py").write_text(module)
        metadata = tmp_path / "greeting-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entry_point}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "greeting", raising=False)

    return install


@pytest.fixture
def without_app(monkeypatch):
    """As if the app's package were not there."""
    for name in [name for name in sys.modules if name.split(".")[0] == "diffusionact_app"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "diffusionact_app", None)


def test_command_of_an_installed_package_is_found(install, capsys):
    install("greet = greeting:add_command", GREETING)
    assert main(["greet", "--name", "Ada"]) == 0
    assert capsys.readouterr().out == "hello Ada\n"


def test_broken_package_does_not_disturb_other_commands(install, capsys):
    install("greet = greeting:absent")
    assert build_parser().parse_args(["bench", "--rounds", "5"]).rounds == 5
    assert main(["greet", "--name", "Ada"]) == 2
    assert "'greet' could not be loaded from greeting:absent" in capsys.readouterr().err


def test_entry_point_of_the_app_is_the_one_that_is_packaged():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packaged = project["entry-points"][ENTRY_POINT_GROUP]
    assert [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in packaged.items()] == [APP]
    assert callable(APP.load())


@pytest.mark.parametrize("words", [["app"], ["app", "--open", "--port", "7860"]])
def test_absent_app_is_rejected_with_how_to_install_it(without_app, capsys, words):
    assert main(words) == 2
    assert 'pip install "diffusionact[app]"' in capsys.readouterr().err


def test_library_lists_its_commands_without_importing_the_app(without_app):
    assert "reenact" in build_parser().format_help()
