"""What the experiments share: messages at the doors, figures of the gates, sheets that do not tell which is which."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.metrics.sharpness import blur, detail
from train.experiments.guided_gate import Scene, Sheets, best_tone, conditions, equally_sharp, write_sheets
from train.experiments.guided_model import few_step_scheduler
from train.light import bounds
from train.light import fitting as light_fitting
from train.mouth import fitting as mouth_fitting
from train.mouth import gate as mouth_gate
from train.surface import fitting as surface_fitting
from train.surface import gate as surface_gate


def test_the_first_of_few_steps_begins_at_pure_noise():
    scheduler = few_step_scheduler()
    for steps in (1, 2, 4):
        scheduler.set_timesteps(steps)
        assert float(scheduler.alphas_cumprod[scheduler.timesteps[0]]) < 1e-6


def test_rivals_of_the_gate_are_retoned_and_softened():
    truth = 0.5 * torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    inside = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    inside[..., 8:24, 8:24] = True
    found = best_tone(0.5 * truth - 0.2, truth, inside)
    assert torch.allclose(found[..., 8:24, 8:24], truth[..., 8:24, 8:24], atol=1e-5)
    soft = blur(truth, 1.0)
    assert detail(equally_sharp(truth, soft, inside), inside) <= detail(soft, inside)


def test_the_gate_compares_with_the_blurred_warp():
    warp = {"PSNR": 20.0, "NME": 1.0, "flicker": 1.0}
    model = {"PSNR": 21.0, "sharpness": 0.95, "code, dB": 0.4, "NME": 1.0, "flicker": 1.0}
    rivals = {"warp, 0.6 px blur": {"PSNR": 20.4}, "warp, as sharp as the model": {"PSNR": 20.45}}
    means = {"warp": warp, "model": model, **rivals}
    assert all(mouth_gate.mouth_conditions(means).values())
    softer = mouth_gate.mouth_conditions(means | {"model": model | {"PSNR": 20.9, "flicker": 1.1}})
    assert [name for name, held in softer.items() if not held] == ["0.5 dB over the blurred warp", "no worse flicker"]
    assert all(conditions(means | {"model": model | {"PSNR": 20.9}}, 0.3).values())


def test_sheets_show_the_truth_first_and_keep_the_order_aside(tmp_path):
    warp, model, truth = (torch.full((8, 3, 6, 6), value) for value in (-1.0, 1.0, 0.0))
    scene = Scene(warp, model, None, truth, truth, torch.ones(8, 1, 6, 6, dtype=torch.bool), False)
    sheets = Sheets(enlarged=1.0, layout=(2, 4), part=(slice(0, 4), slice(0, 5)))
    write_sheets(tmp_path, list(sheets.shown(scene)), sheets)
    order = (tmp_path / "order.txt").read_text().split()
    sheet = np.asarray(Image.open(tmp_path / "sheet-0.png"))[..., 0]
    assert sheet.shape == (4 * 4, 2 * 3 * 5)
    for frame, where in enumerate(order):
        row, column = divmod(frame, 2)
        shown = sheet[4 * row, 15 * column : 15 * column + 15 : 5].tolist()
        assert shown[0] in (127, 128)
        assert shown[1:] == ([255, 0] if where == "second" else [0, 255])
    assert set(order) == {"second", "third"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (mouth_gate, ["nowhere"]),
        (mouth_gate, ["nowhere", "no.mp4"]),
        (surface_gate, ["nowhere"]),
        (surface_gate, ["nowhere", "--people", "0"]),
        (mouth_fitting, ["run"]),
        (mouth_fitting, ["run", "--filmed", "nowhere"]),
        (mouth_fitting, ["run", "--filmed", "broken"]),
        (surface_fitting, ["run"]),
        (surface_fitting, ["run", "--returned", "nowhere"]),
        (surface_fitting, ["run", "--rendered", "broken"]),
        (bounds, ["nowhere"]),
        (bounds, ["broken"]),
        (light_fitting, ["run"]),
        (light_fitting, ["run", "--rendered", "broken"]),
        (light_fitting, ["run", "--filmed", "nowhere"]),
    ],
)
def test_commands_say_what_is_missing(command, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.safetensors").write_text("no tensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command", *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err.lower()
