"""`reenact --background transparent`, `--matte`, `--source-crop`, `--stride` and `crop`, from words to files."""

import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.cli import build_parser, main
from diffusionact.commands.loading import driver_crop, source_crop
from diffusionact.face.geometry.crop_change import CropChange
from diffusionact.images import save_png
from diffusionact.video import open_frames


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photo with a transparent upper corner and background, and a folder of two driving frames."""
    data = pytest.importorskip("skimage.data", reason="scikit-image (dev extra) is absent")
    folder = tmp_path_factory.mktemp("files")
    photo = torch.from_numpy(data.astronaut()[:300, 70:370].copy())
    y, x = torch.meshgrid(torch.arange(300), torch.arange(300), indexing="ij")
    shown = (((x - 155) / 75) ** 2 + ((y - 100) / 100) ** 2 < 1) | (y > 170 + (x - 155).abs() / 3)
    save_png(folder / "photo.png", torch.cat([photo, 255 * shown[..., None].to(torch.uint8)], dim=-1))
    (folder / "driving").mkdir()
    for index, frame in enumerate((photo, photo.flip(1))):
        save_png(folder / "driving" / f"{index}.png", frame)
    return folder / "photo.png", folder / "driving"


def reenact(files, output, *options):
    """The exit code of `reenact` on the CPU."""
    photo, driving = files
    return main(["reenact", str(photo), str(driving), "-o", str(output), "--device", "cpu", *options])


def test_a_photo_with_alpha_keeps_it_moved_with_the_head(files, tmp_path):
    words = ["--paste-back", "--background", "transparent", "--matte", str(tmp_path / "matte")]
    assert reenact(files, tmp_path / "out", *words) == 0
    still, moved = (np.asarray(Image.open(path)).astype(int) for path in sorted((tmp_path / "out").iterdir()))
    matte = np.asarray(Image.open(tmp_path / "matte" / "000001.png"))
    before = np.asarray(Image.open(files[0]))[..., 3].astype(int)
    assert still.shape == (300, 300, 4) and np.abs(still[..., 3] - before).mean() < 4
    assert np.abs(moved[..., 3] - before)[:170].mean() > 1.5 * np.abs(still[..., 3] - before)[:170].mean()
    assert np.array_equal(moved[-10:, :, 3], before[-10:])
    assert np.array_equal(matte[..., 0], moved[..., 3])


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("out.mp4", ["--background", "transparent"], "ending in .mov, .webm, .webp, .png"),
        ("out.webm", [], "ending in .mp4"),
        ("out.mov", ["--background", "transparent", "--side-by-side"], "without --side-by-side"),
        ("out.mov", ["--background", "transparent", "--model", "demo"], "Expected the model photo"),
        ("out.mp4", ["--matte", "matte.png"], "Expected a matte beside the output"),
        ("out.mp4", ["--source-crop", "wide=2"], "'scale', 'right', 'up', 'rotate'"),
        ("out.mp4", ["--source-crop", "scale=9"], "scale in [0.5, 2.5]"),
        ("out.mp4", ["--driver-crop", "clip,frame"], "Expected one of frame, clip"),
        ("out.mp4", ["--stride", "0"], "stride"),
    ],
)
def test_what_does_not_go_together_is_rejected(files, tmp_path, capsys, monkeypatch, output, options, message):
    monkeypatch.chdir(tmp_path)
    assert reenact(files, tmp_path / output, *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_a_matte_of_a_clip_with_several_drivers_is_rejected(files, tmp_path, capsys):
    words = ["reenact", str(files[1]), "--drive", "0=laugh", "-o", str(tmp_path / "out.mp4"), "--device", "cpu"]
    assert main([*words, "--matte", str(tmp_path / "matte.mp4")]) == 2
    assert "received also --matte" in capsys.readouterr().err


def test_words_for_crops():
    words = ["reenact", "photo.png", "clip.mp4", "-o", "out.mp4"]
    options = build_parser().parse_args([*words, "--source-crop", "scale=1.5, up=-0.1", "--driver-crop", "rotate=5"])
    assert source_crop(options) == CropChange(scale=1.5, up=-0.1)
    assert driver_crop(options) == ("frame", CropChange(rotate=5.0))
    assert driver_crop(build_parser().parse_args([*words, "--driver-crop", "clip"])) == ("clip", CropChange())


def test_the_crop_is_drawn_beside_what_lies_in_it(files, tmp_path):
    assert main(["crop", str(files[0]), "-o", str(tmp_path / "crop.png"), "--source-crop", "scale=1.2"]) == 0
    assert np.asarray(Image.open(tmp_path / "crop.png")).shape == (300, 600, 3)


def test_stride_takes_every_nth_frame_in_the_same_time(files):
    every, second = open_frames(files[1]), open_frames(files[1], stride=2)
    assert second.frame_rate == every.frame_rate / 2 and len(list(second)) == 1
