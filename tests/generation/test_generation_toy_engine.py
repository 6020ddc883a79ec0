"""An engine of one file of its own works everywhere, found by its entry point; see tests/toy_engine.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_engine

from diffusionact import DiffusionActPipeline
from diffusionact.data.saved_values import load_value, save_value
from diffusionact.generation import ENGINES, find_engine
from diffusionact.images import load_image, save_png
from diffusionact.types import SourceCodes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The folder of the toy's package, on this process's path."""
    folder = toy_engine.install(tmp_path / "packages")
    monkeypatch.syspath_prepend(folder)
    yield folder
    ENGINES.pop(toy_engine.NAME, None)


@pytest.fixture
def model(tmp_path):
    return toy_engine.write_model_folder(tmp_path / "toy_model")


def test_the_pipeline_loads_and_streams_it(installed, model, portrait):
    pipeline = DiffusionActPipeline.from_pretrained(model)
    source = pipeline.encode_source(portrait)
    frames = list(pipeline.stream(source, portrait.expand(3, -1, -1, -1), chunk_size=2))
    for frame in frames:
        roll = round(float(frame.pose.head_pose[0, 2]))
        assert torch.equal(frame.image, toy_engine.moved(source.image, roll))


def test_its_sources_are_saved_and_its_model_too(installed, model, portrait, tmp_path):
    pipeline = DiffusionActPipeline.from_pretrained(model)
    source = pipeline.encode_source(portrait)
    save_value(source, tmp_path / "source.safetensors", pipeline.fingerprint)
    loaded = load_value(tmp_path / "source.safetensors", SourceCodes, pipeline.fingerprint)
    assert torch.equal(loaded.codes["image"], source.codes["image"])
    pipeline.save_pretrained(tmp_path / "copy")
    assert DiffusionActPipeline.from_pretrained(tmp_path / "copy").sample_size == toy_engine.SAMPLE_SIZE


def test_what_an_engine_lacks_is_named(installed, model):
    with pytest.raises(AttributeError, match="unet"):
        _ = DiffusionActPipeline.from_pretrained(model).unet


def test_the_command_reenacts_with_it(installed, model, portrait, tmp_path):
    save_png(tmp_path / "face.png", portrait)
    command = [sys.executable, "-m", "diffusionact", "reenact", "face.png", "face.png", "-o", "out.png"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    done = subprocess.run(
        [*command, "--model", str(model)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert load_image(tmp_path / "out.png").shape == (toy_engine.SAMPLE_SIZE, toy_engine.SAMPLE_SIZE, 3)


def test_an_unknown_engine_is_rejected_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"Expected a model of one of the engines .*diffusion.*warp.*'nothing'"):
        find_engine("nothing")
