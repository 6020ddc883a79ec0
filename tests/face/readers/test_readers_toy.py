"""A face reader of another package, in one file, works everywhere, found by its entry point."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_packages import write_distribution

from diffusionact.face.pose.options import PoseOptions
from diffusionact.face.readers.registry import (
    ENTRY_POINT_GROUP,
    FACE_READERS,
    load_face_model,
    load_face_reader,
    load_reader_of_face_model,
    register_face_reader,
    usable_face_readers,
)
from diffusionact.pipelines import DiffusionActPipeline

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The folder of the installed package; the toy itself lies in tests/toy_face_reader.py."""
    folder = write_distribution(tmp_path / "packages", "toy", ENTRY_POINT_GROUP, "toy", "toy_face_reader:ENTRY")
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def bright_right(portrait):
    """An image whose right half is brighter than its left one."""
    image = portrait.clone()
    image[:, 128:] = image[:, 128:] // 2 + 120
    return image


def test_an_entry_point_is_found_and_asked_only_when_needed(installed):
    assert tuple(FACE_READERS)[0] == "open" and "toy" in FACE_READERS
    assert usable_face_readers()[-1] == "toy"
    assert load_face_reader("toy").face_model.name == "toy circle"


def test_without_the_package_the_name_is_unknown():
    assert "toy" not in FACE_READERS
    with pytest.raises(ValueError, match="'open', 'emoca', 'insightface'"):
        load_face_reader("toy")


def test_face_models_are_found_by_name(installed):
    assert load_face_model("open").name == "open"
    assert load_reader_of_face_model("open").name == "open"
    assert load_reader_of_face_model("toy circle").name == "toy"
    with pytest.raises(ValueError, match="open, toy circle|flame, open, toy circle"):
        load_face_model("square")


def test_a_broken_package_leaves_the_others_usable(tmp_path, monkeypatch, caplog):
    folder = write_distribution(tmp_path / "p", "broken", ENTRY_POINT_GROUP, "broken", "no_such_module:ENTRY")
    monkeypatch.syspath_prepend(str(folder))
    with caplog.at_level(logging.WARNING):
        assert "broken" not in usable_face_readers() and "open" in usable_face_readers()
    assert "'broken' of another package cannot be used" in caplog.text


def test_an_entry_point_that_is_no_entry_is_rejected(tmp_path, monkeypatch):
    folder = write_distribution(tmp_path / "p", "odd", ENTRY_POINT_GROUP, "odd", "json:dumps")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(TypeError, match="FaceReaderEntry named 'odd'"):
        load_face_reader("odd")


def test_a_taken_name_is_rejected():
    from dataclasses import replace

    register_face_reader(FACE_READERS["open"])  # the same entry again changes nothing
    with pytest.raises(ValueError, match="which is taken"):
        register_face_reader(replace(FACE_READERS["open"], description="another"))


@pytest.mark.parametrize("word", ["tracker", "face_reader"])
def test_from_pretrained_drives_a_model_with_it(installed, tiny_model_folder, bright_right, word):
    pipeline = DiffusionActPipeline.from_pretrained(tiny_model_folder, torch.float32, **{word: "toy"})
    source = pipeline.encode_source(bright_right, 2, face=1)
    assert source.coefficients.face_model == "toy circle"
    assert pipeline.fingerprint.endswith("-toy circle")
    clip = torch.stack([torch.zeros_like(bright_right), torch.full_like(bright_right, 255)])
    frames = list(pipeline.stream(source, clip, PoseOptions(smoothing=0.0), num_inference_steps=2))
    widths = [float((frame.pose.landmarks[0].amax(0) - frame.pose.landmarks[0].amin(0))[0]) for frame in frames]
    assert widths[1] == pytest.approx(1.2 * widths[0])


def test_the_command_takes_it(installed, tiny_model_folder, portrait, tmp_path):
    Image.fromarray(portrait.numpy()).save(tmp_path / "source.png")
    Image.fromarray(np.roll(portrait.numpy(), 40, 1)).save(tmp_path / "driver.png")
    words = ["reenact", "source.png", "driver.png", "-o", "out.png", "--model", str(tiny_model_folder)]
    words += ["--tracker", "toy", "--device", "cpu", "--report", "report.json"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(installed)])
    done = subprocess.run(
        [sys.executable, "-m", "diffusionact", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out.png").size[0] > 0
    assert json.loads((tmp_path / "report.json").read_text())["tracker"] == "toy"


def test_the_app_looks_at_uploads_with_the_pipelines_reader(installed, tiny_model_folder, bright_right):
    from diffusionact_app.engine import Engine
    from diffusionact_app.vision import look

    engine = Engine(DiffusionActPipeline.from_pretrained(tiny_model_folder, torch.float32, face_reader="toy"))
    seen = look(engine, bright_right, 1)
    assert seen.boxes.tolist() == [[0.0, 0.0, 128.0, 256.0], [128.0, 0.0, 256.0, 256.0]]
    left, right = (engine.measure(bright_right, face).observation.expression for face in (0, 1))
    assert right > left
