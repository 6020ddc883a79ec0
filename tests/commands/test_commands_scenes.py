"""Clips with several faces by a table of jobs, with sound: who moves, who stays, and what is asked for in vain."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from diffusionact.cli import main
from diffusionact.video import open_frames


@pytest.fixture
def clip(portrait, tmp_path):
    """Two frames of a large face and, right of it, a small one, with half a second of silence."""
    canvas = np.full((256, 448, 3), 120, np.uint8)
    canvas[:, :256] = portrait.numpy()
    canvas[32:224, 256:] = portrait.numpy()[32:224, 32:224]
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        images = container.add_stream("libx264", rate=25, options={"crf": "1"})
        images.height, images.width, images.pix_fmt = *canvas.shape[:2], "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux([*sound.encode(frame), *sound.encode(None)])
        for _ in range(2):
            container.mux(images.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        container.mux(images.encode(None))
    return tmp_path / "clip.mp4"


def test_a_row_moves_one_of_two_faces_of_a_clip(clip, tiny_model_folder, tmp_path):
    head = "source,output,drive,still-when-silent,silence-level,take,model,steps,inversion-steps,dtype,device"
    row = f'clip.mp4,out,"340,100=nod; 340,100=clip.mp4",yes,-50,lips,{tiny_model_folder},1,1,float32,cpu'
    (tmp_path / "jobs.csv").write_text(f"{head}\n{row}\n")
    assert main(["batch", str(tmp_path / "jobs.csv")]) == 0
    before, after = list(open_frames(clip)), list(open_frames(tmp_path / "out"))
    assert len(after) == 2
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[:, :200], other[:, :200])
        assert not torch.equal(one[:, 300:], other[:, 300:])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--still-when-silent", "--silence-level", "5"], "silence_level"),
        (["--still-when-silent", "--sound", "driver"], "clip with sound"),
    ],
)
def test_silence_that_cannot_be_found_is_explained(clip, options, reason, tmp_path, capsys):
    assert main(["reenact", str(clip), "-o", str(tmp_path / "out.mp4"), *options]) == 2
    assert reason in capsys.readouterr().err
