"""The app's command: its options, its other ways to start, and what it rejects before anything is loaded."""

import subprocess
import sys

import pytest

from diffusionact.cli import build_parser, main
from diffusionact_app.__main__ import main as main_of_the_app
from diffusionact_app.command import make_settings


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "0"), ("--max-frames", "1"), ("--queue", "0"), ("--max-upload-mb", "0")]
)
def test_command_rejects_useless_numbers(capsys, option, value):
    pytest.importorskip("gradio", reason="gradio (app extra) is absent")
    assert main(["app", option, value]) == 2
    assert f"Expected {option}" in capsys.readouterr().err
    assert main_of_the_app([option, value]) == 2
    assert f"Expected {option}" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--model", "nowhere"), ("--tracker", "nobody")])
def test_command_rejects_what_cannot_be_loaded(capsys, option, value, monkeypatch, tmp_path):
    pytest.importorskip("gradio", reason="gradio (app extra) is absent")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert main(["app", option, value]) == 2
    error = capsys.readouterr().err
    assert value in error and "Traceback" not in error


def test_command_stays_on_this_machine_unless_told_otherwise():
    options = build_parser().parse_args(["app"])
    assert options.host is None and options.root_path is None


def test_options_become_settings(monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_MODEL", "mine")
    words = ["app", "--device", "cpu", "--tracker", "emoca", "--port", "7861", "--max-frames", "9", "--queue", "3"]
    settings = make_settings(build_parser().parse_args(words))
    assert (settings.model, settings.device, settings.face_reader, settings.port) == ("mine", "cpu", "emoca", 7861)
    assert (settings.limits.frames, settings.limits.queue, settings.limits.upload_mb) == (9, 3, 64)


def test_absent_gradio_is_rejected_with_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["app"]) == 2
    assert 'pip install "diffusionact[app]"' in capsys.readouterr().err


def test_the_photo_model_waits_for_no_package_that_it_does_not_use():
    code = "import sys; from diffusionact.cli import parse_row; parse_row(['demo']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" in done.stdout.split()
    assert not {"gradio", "diffusers", "sympy", "accelerate"} & set(done.stdout.split())
