"""Files of the command: nothing is replaced unasked, strange names are rejected, parts and rates are chosen."""

import argparse
import os
import signal
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.cli import TERMINATED, build_parser, main, run_command
from diffusionact.commands.loading import prepare_output
from diffusionact.commands.output_frames import OPAQUE_SUFFIXES
from diffusionact.video import VideoWriter


@pytest.fixture
def reenact(tiny_model_folder, portrait, tmp_path):
    """Run `reenact` on a portrait that moves unevenly, with sound; returns the exit code."""
    face = portrait.numpy()
    Image.fromarray(face).save(tmp_path / "source.png")
    write_uneven_clip(tmp_path / "driving.mkv", face)

    def run(*options, output="out.mp4"):
        inputs = [str(tmp_path / "source.png"), str(tmp_path / "driving.mkv"), "-o", str(tmp_path / output)]
        model = ["--model", str(tiny_model_folder), "--device", "cpu", "--dtype", "float32", "--steps", "1"]
        return main(["reenact", *inputs, *model, "--inversion-steps", "1", *options])

    return run


def write_uneven_clip(path, face):
    """Four frames at 0, 0.1, 0.2 and 0.6 s, and 0.8 s of sound whose rate AAC does not know."""
    with av.open(str(path), "w") as container:
        images = container.add_stream("libx264", rate=10)
        images.height, images.width, images.pix_fmt = *face.shape[:2], "yuv420p"
        sound = container.add_stream("flac", rate=40000, layout="mono")
        for index, slot in enumerate((0, 1, 2, 6)):
            frame = av.VideoFrame.from_ndarray(np.roll(face, 3 * index, axis=1), format="rgb24")
            frame.pts, frame.time_base = slot, Fraction(1, 10)
            container.mux(images.encode(frame))
        container.mux(images.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 32000), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 40000, 0, Fraction(1, 40000)
        container.mux([*sound.encode(frame), *sound.encode(None)])


def times_of(path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(frame.time, 3) for frame in container.decode(video=0)]


def test_driver_of_uneven_times_gives_a_video_of_the_same_times_with_sound(reenact, tmp_path):
    assert reenact() == 0
    assert times_of(tmp_path / "out.mp4") == [0, 0.1, 0.2, 0.6]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].rate == 44100


def test_rate_and_part_of_the_driver_are_chosen(reenact, tmp_path):
    assert reenact("--start", "0.1", "--end", "0:00.5", "--frame-rate", "20") == 0
    assert times_of(tmp_path / "out.mp4")[:3] == [0, 0.05, 0.1]


def test_images_of_an_uneven_driver_follow_each_other_evenly(reenact, tmp_path):
    assert reenact(output="images") == 0
    assert len(list((tmp_path / "images").iterdir())) == 7


def test_part_where_nothing_lies_is_rejected_with_a_clear_error(reenact, tmp_path, capsys):
    assert reenact("--start", "5") == 2
    assert "choose an earlier start" in capsys.readouterr().err


def test_output_that_exists_is_kept_unless_it_may_be_replaced(tmp_path, capsys):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"mine")
    for command in (["reenact", "a.png", "b.mp4"], ["encode", "a.png"]):
        output = path if command[0] == "reenact" else tmp_path / "out.safetensors"
        output.write_bytes(b"mine")
        assert main([*command, "-o", str(output)]) == 2
        assert "add --overwrite to replace it" in capsys.readouterr().err
        assert output.read_bytes() == b"mine"
    prepare_output(path, OPAQUE_SUFFIXES, overwrite=True)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["-", ".mp4", ".png"])
def test_output_without_a_name_is_rejected_and_makes_no_folder(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reenact", "a.png", "b.mp4", "-o", name]) == 2
    assert "Expected the name of an output file or folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "seconds"), [("90", 90), ("1:30.5", 90.5), ("1:00:00", 3600)])
def test_seconds_are_read_with_minutes_and_hours(words, seconds):
    options = build_parser().parse_args(["reenact", "a.png", "b.mp4", "-o", "c.mp4", "--start", words])
    assert options.start == seconds


@pytest.mark.parametrize(
    "words", [["--start", "soon"], ["--end", "1:2:3:4"], ["--start", "inf"], ["--frame-rate", "25/0"]]
)
def test_words_that_are_no_time_are_rejected(words, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["reenact", "a.png", "b.mp4", "-o", "c.mp4", *words])
    assert ": expected " in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_termination_leaves_no_temporary_file(tmp_path):
    def run(options):
        with VideoWriter(tmp_path / "out.mp4", 25, (32, 32)) as writer:
            writer.write(torch.zeros(32, 32, 3, dtype=torch.uint8))
            assert len(list(tmp_path.iterdir())) == 1
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        run_command(argparse.Namespace(run=run))
    assert ended.value.code == TERMINATED
    assert list(tmp_path.iterdir()) == [] and signal.getsignal(signal.SIGTERM) == before
