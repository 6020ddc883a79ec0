"""The paper backend from the command line: files in the authors' layout, imported, then an image and a clip, tiny."""

import json
import shutil

import numpy as np
import pytest
from official_files import TINY, write_all
from PIL import Image
from tiny_official import make_tiny_official

from diffusionact.cli import main
from diffusionact.generation import save_components


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights folder with tiny networks: the face networks imported, the model converted."""
    folder = tmp_path_factory.mktemp("paper")
    write_all(folder / "files", TINY, ("s3fd", "fan", "gaze", "emoca", "flame"), sees=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFUSIONACT_WEIGHTS", str(folder / "weights"))
        assert main(["weights", "import", str(folder / "files")]) == 0
    save_components(make_tiny_official(), folder / "weights" / "diffusionact")
    return folder / "weights"


@pytest.fixture
def images(weights, portrait, tmp_path, monkeypatch):
    """source.png, driver.png and a folder of two frames in a working folder."""
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(weights))
    monkeypatch.chdir(tmp_path)
    face = portrait.numpy()
    Image.fromarray(face).save("source.png")
    Image.fromarray(face[:, ::-1]).save("driver.png")
    (tmp_path / "clip").mkdir()
    for index in range(2):
        Image.fromarray(np.roll(face, 9 * index, 1)).save(f"clip/{index}.png")
    return tmp_path


def exact(*words):
    return main(["reenact", "--exact", *words, "--inversion-steps", "2", "--steps", "2", "--device", "cpu"])


def test_two_images_make_one(images):
    assert exact("source.png", "driver.png", "-o", "out.png") == 0
    image = Image.open("out.png")
    assert image.size == (256, 256) and np.asarray(image).std() > 1


def test_the_model_is_found_where_a_folder_of_its_name_lies_in_the_way(images):
    (images / "diffusionact").mkdir()
    assert exact("source.png", "driver.png", "-o", "out.png") == 0


@pytest.mark.slow
def test_a_clip_is_reenacted_with_a_report(images):
    assert exact("source.png", "clip", "-o", "out.mp4", "--report", "report.json") == 0
    figures = json.loads((images / "report.json").read_text())
    assert figures["tracker"] == "emoca" and figures["frames"] == 2
    assert figures["frames_with_a_face_in_the_output"] == 2
    assert figures["landmark_nme_percent"] > 0 and abs(figures["identity_cosine"]) <= 1
    assert figures["arcface_cosine"] is None


def test_the_paper_tracker_drives_any_model(images, tiny_model_folder):
    words = ["reenact", "source.png", "clip", "-o", "out.mp4", "--model", str(tiny_model_folder), "--tracker", "emoca"]
    assert main([*words, "--device", "cpu", "--report", "report.json"]) == 0
    assert json.loads((images / "report.json").read_text())["frames"] == 2


def test_official_weights_are_driven_by_the_open_tracker(images):
    words = ["reenact", "source.png", "clip", "-o", "out.mp4", "--model", "diffusionact", "--report", "report.json"]
    assert main([*words, "--device", "cpu", "--inversion-steps", "2", "--steps", "2"]) == 0
    assert json.loads((images / "report.json").read_text())["tracker"] == "open"


def test_a_source_saved_with_one_tracker_is_refused_with_another(images, tiny_model_folder, capsys):
    model = ["--model", str(tiny_model_folder), "--device", "cpu"]
    assert main(["encode", "source.png", "-o", "saved.safetensors", *model, "--tracker", "emoca"]) == 0
    assert main(["reenact", "saved.safetensors", "clip", "-o", "a.mp4", *model, "--tracker", "emoca"]) == 0
    assert main(["reenact", "saved.safetensors", "clip", "-o", "b.mp4", *model]) == 2
    assert "Encode the source again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gain", "1.5"], "--gain"),
        (["--relative"], "--relative"),
        (["--scheduler", "dpm"], "--scheduler"),
        (["--dtype", "float16"], "--dtype"),
        (["--tracker", "insightface"], "--tracker"),
        (["--steps", "30001"], "--steps"),
    ],
)
def test_options_against_the_procedure_are_refused(images, words, message, capsys):
    assert main(["reenact", "--exact", "source.png", "driver.png", "-o", "out.png", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (images / "out.png").exists()


def test_missing_files_of_the_authors_are_named(images, weights, monkeypatch, capsys):
    shutil.copytree(weights, images / "weights")
    (images / "weights" / "emoca" / "gaze_net.safetensors").unlink()
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(images / "weights"))
    assert exact("source.png", "driver.png", "-o", "out.png") == 2
    message = capsys.readouterr().err
    assert "gaze_net.safetensors" in message and "diffusionact weights import" in message


def test_a_driver_without_a_face_leaves_no_file(images, capsys):
    Image.new("RGB", (64, 64)).save("dark.png")
    assert exact("source.png", "dark.png", "-o", "out.png") == 2
    assert "driving frame 1" in capsys.readouterr().err
    assert not (images / "out.png").exists()
