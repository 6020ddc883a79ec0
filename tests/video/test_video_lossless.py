"""Frames between two processes: every bit comes back."""

import pytest
import torch

from diffusionact.video.lossless import read_lossless, write_lossless


@pytest.mark.parametrize("shape", [(32, 48, 3), (33, 47, 3), (33, 47, 4), (1, 1, 4)])
def test_every_bit_comes_back(shape, tmp_path):
    frames = list(torch.randint(0, 256, (3, *shape), dtype=torch.uint8))
    write_lossless(tmp_path / "part.nut", frames)
    assert torch.equal(torch.stack(list(read_lossless(tmp_path / "part.nut"))), torch.stack(frames))


def test_nothing_is_left_where_frames_cannot_be_made(tmp_path):
    def broken():
        yield torch.zeros(4, 4, 3, dtype=torch.uint8)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_lossless(tmp_path / "part.nut", broken())
    with pytest.raises(ValueError, match="received none"):
        write_lossless(tmp_path / "part.nut", [])
    assert not list(tmp_path.iterdir())
