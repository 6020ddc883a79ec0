"""`reenact --output-size` and whole photos, from the command's arguments to its files."""

import argparse

import numpy as np
import pytest
import torch
import toy_engine
from PIL import Image

from diffusionact.cli import main
from diffusionact.commands import output_frames
from diffusionact.commands.output_frames import check_output_options
from diffusionact.generation import ENGINES
from diffusionact.images import load_image, model_to_uint8, resize, save_png, uint8_to_model
from diffusionact.video import open_frames


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photo of 400 px, and a folder of two driving frames."""
    data = pytest.importorskip("skimage.data", reason="scikit-image (dev extra) is absent")
    folder = tmp_path_factory.mktemp("files")
    photo = torch.from_numpy(data.astronaut()[:400, 60:460].copy())
    save_png(folder / "photo.png", photo)
    (folder / "driving").mkdir()
    for index, frame in enumerate((photo, photo.flip(1))):
        save_png(folder / "driving" / f"{index}.png", frame)
    return folder / "photo.png", folder / "driving"


@pytest.fixture
def toy_model(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(toy_engine.install(tmp_path / "packages"))
    yield str(toy_engine.write_model_folder(tmp_path / "toy_model"))
    ENGINES.pop(toy_engine.NAME, None)


def reenact(files, output, *options):
    """The exit code of `reenact` on the CPU."""
    photo, driving = files
    return main(["reenact", str(photo), str(driving), "-o", str(output), "--device", "cpu", *options])


def frames(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]


def test_the_warp_gives_frames_of_the_side_asked_for(files, tmp_path):
    assert reenact(files, tmp_path / "out", "--output-size", "320") == 0
    assert [frame.shape for frame in frames(tmp_path / "out")] == [(320, 320, 3)] * 2


def test_another_engine_gives_frames_of_the_photos_resolution(files, tmp_path, toy_model):
    report = tmp_path / "report.json"
    words = ["--model", toy_model, "--output-size", "source", "--report", str(report)]
    assert reenact(files, tmp_path / "out.mp4", *words) == 0
    frame = next(iter(open_frames(tmp_path / "out.mp4")))
    assert frame.shape[0] == frame.shape[1] and 150 < frame.shape[0] < 200 and report.exists()


def test_the_whole_photo_moves_at_its_own_resolution(files, tmp_path):
    words = ["--paste-back", "--output-size", "source", "--report", str(tmp_path / "report.json")]
    assert reenact(files, tmp_path / "out", *words) == 0
    photo, (still, moved) = load_image(files[0]).numpy(), frames(tmp_path / "out")
    assert still.shape == photo.shape
    assert np.abs(still.astype(float) - photo).mean() < 1.5
    assert np.array_equal(moved[-20:], photo[-20:]) and np.abs(moved.astype(float) - photo)[60:200].mean() > 1.5


def test_a_soft_edge_asks_for_a_paste(files, tmp_path):
    assert reenact(files, tmp_path / "whole", "--paste-back") == 0
    assert reenact(files, tmp_path / "pasted", "--paste-back", "--feather", "0.1") == 0
    whole, pasted = frames(tmp_path / "whole")[1], frames(tmp_path / "pasted")[1]
    photo = load_image(files[0]).numpy()
    changed = [np.abs(frame.astype(float) - photo).max(-1) > 2 for frame in (whole, pasted)]
    assert changed[0].sum() > 1.1 * changed[1].sum(), "neck, hair and shoulders move, too"


def test_another_engine_is_pasted_with_detail(files, tmp_path, toy_model):
    sharp = []
    for name, words in (("plain", []), ("detail", ["--output-size", "source"])):
        assert reenact(files, tmp_path / name, "--model", toy_model, "--paste-back", *words) == 0
        face = frames(tmp_path / name)[0][70:190, 120:240].astype(float)
        sharp.append(np.abs(np.diff(face, axis=1)).mean())
    assert sharp[1] > 1.2 * sharp[0]


def test_side_by_side_takes_the_output_size(files, tmp_path):
    assert reenact(files, tmp_path / "out", "--output-size", "320", "--side-by-side") == 0
    assert frames(tmp_path / "out")[0].shape == (320, 960, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output-size", "big"], "received 'big'"),
        (["--output-size", "301"], "even number"),
        (["--output-size", "9000"], "64 to 2048"),
        (["--output-size", "320", "--paste-back"], "its own resolution, received 320"),
        (["--output-size", "100", "--model", "demo"], "at least 128 px"),
        (["--output-size", "source", "--exact"], "no --output-size beside --exact"),
    ],
)
def test_what_does_not_fit_is_rejected(files, tmp_path, capsys, words, message):
    assert reenact(files, tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_saved_source_of_the_warp_is_enough(files, tmp_path, toy_model, capsys):
    for model, code in (("photo", 0), (toy_model, 2)):
        saved = tmp_path / f"saved_{code}.safetensors"
        assert main(["encode", str(files[0]), "-o", str(saved), "--model", model, "--device", "cpu"]) == 0
        words = ["--output-size", "source", "--model", model]
        assert reenact((saved, files[1]), tmp_path / f"out_{code}", *words) == code
    assert "Give the photo itself" in capsys.readouterr().err


def test_feather_is_checked_before_any_work():
    options = argparse.Namespace(feather=0.7, output_size=None, paste_back=True, side_by_side=False)
    with pytest.raises(ValueError, match="--feather"):
        check_output_options(options)


def test_photo_beyond_what_videos_can_be_is_shrunk_for_them_alone(files, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(output_frames, "MAX_VIDEO_SIDE", 200)
    assert reenact(files, tmp_path / "out.mp4", "--paste-back") == 0
    assert open_frames(tmp_path / "out.mp4").size == (200, 200)
    assert "of 400 x 400 px is shrunk to 200 x 200 px" in caplog.text
    assert reenact(files, tmp_path / "out", "--paste-back") == 0
    assert frames(tmp_path / "out")[0].shape == (400, 400, 3)
    # The person lies where the larger photo has them.
    small, whole = next(iter(open_frames(tmp_path / "out.mp4"))), load_image(tmp_path / "out" / "000000.png")
    reduced = model_to_uint8(resize(uint8_to_model(whole[None]), 200))[0]
    assert (small.float() - reduced.float()).abs().mean() < 4
