"""Frames with alpha in every kind of file that holds it, read back with their edges."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import Colorspace
from PIL import Image

from diffusionact.images import PROVENANCE
from diffusionact.video import VideoWriter, open_frames

SIZE, COUNT = (65, 97), 8  # odd sides are padded


def disc(index):
    """An orange disc that moves, transparent around it; what lies under alpha 0 is black."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    inside = (x - 30 - 3 * index) ** 2 + (y - 32) ** 2 < 400
    return (inside[..., None] * torch.tensor([230, 120, 40, 255])).to(torch.uint8)


def write(path, **options):
    with VideoWriter(path, Fraction(25), SIZE, transparent=True, **options) as writer:
        for index in range(COUNT):
            writer.write(disc(index))
    return path


def read_rgba(path):
    """All frames uint8 (F, H, W, 4); FFmpeg's own VP9 decoder drops the alpha that libvpx reads."""
    if path.is_dir():
        return np.stack([np.asarray(Image.open(file)) for file in sorted(path.iterdir())])
    if path.suffix == ".webp":
        image = Image.open(path)
        return np.stack([np.asarray(image.convert("RGBA")) for index in range(image.n_frames) if not image.seek(index)])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = av.CodecContext.create("libvpx-vp9", "r") if path.suffix == ".webm" else stream.codec_context
        frames = [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
        shown = [frame.reformat(format="rgba", src_colorspace=Colorspace.ITU709) for frame in frames]
        return np.stack([frame.to_ndarray() for frame in shown])


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "out.webp", "out"])
def test_alpha_and_colours_come_back_without_a_dark_rim(tmp_path, name):
    frames = read_rgba(write(tmp_path / name))[:, : SIZE[0], : SIZE[1]].astype(int)
    wanted = torch.stack([disc(index) for index in range(COUNT)]).numpy().astype(int)
    assert frames.shape == wanted.shape
    assert np.abs(frames[..., 3] - wanted[..., 3]).mean() < 1
    shown = (wanted[..., 3] > 0) & (frames[..., 3] > 128)
    assert np.abs(frames[..., :3] - wanted[..., :3])[shown].max() < 25, "black would show at the disc's edge"


def test_files_keep_rate_sound_and_the_note_of_origin(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        wave = (np.sin(np.arange(8000) / 5) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
    for name, codecs in (("out.mov", {"prores", "pcm_s16le"}), ("out.webm", {"vp9", "opus"})):
        path = write(tmp_path / name, audio_from=tmp_path / "sound.wav")
        with av.open(str(path)) as container:
            assert {stream.codec_context.name for stream in container.streams} == codecs
            notes = {key.lower(): value for key, value in container.metadata.items()}
            assert notes["comment"] == PROVENANCE
        assert open_frames(path).frame_rate == 25
    with Image.open(write(tmp_path / "out.webp", audio_from=tmp_path / "sound.wav")) as image:
        image.load()
        assert PROVENANCE.encode() in image.info["xmp"] and image.info["loop"] == 0 and image.info["duration"] == 40


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.gif"])
def test_what_holds_no_alpha_is_rejected(tmp_path, name):
    with pytest.raises(ValueError, match=r"with alpha ending in \.mov, \.webm, \.webp, or without suffix"):
        VideoWriter(tmp_path / name, Fraction(25), SIZE, transparent=True)
    with pytest.raises(ValueError, match="change the suffix"):
        VideoWriter(tmp_path / "out.webm", Fraction(25), SIZE)
