"""Finding Directions from the command line: files in the authors' layout, imported, then clips, tiny."""

import numpy as np
import pytest
from directions_files import write_directions_files
from official_files import TINY, write_all
from PIL import Image
from tiny_directions import make_tiny_directions

from diffusionact.cli import main
from diffusionact.generation.directions_folder import save_directions


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights folder with everything that the model and its face reader need, imported."""
    folder = tmp_path_factory.mktemp("directions")
    write_directions_files(folder / "files", tiny=True)
    write_all(folder / "files", TINY, ("s3fd", "fan", "flame"), sees=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFUSIONACT_WEIGHTS", str(folder / "weights"))
        assert main(["weights", "import", str(folder / "files")]) == 0
        assert main(["weights", "check"]) == 0
    return folder / "weights"


@pytest.fixture
def images(weights, portrait, tmp_path, monkeypatch):
    """source.png and a folder of two frames in a working folder."""
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(weights))
    monkeypatch.chdir(tmp_path)
    face = portrait.numpy()
    Image.fromarray(face).save("source.png")
    (tmp_path / "clip").mkdir()
    for index in range(2):
        Image.fromarray(np.roll(face, 24 * index, 1)).save(f"clip/{index}.png")
    return tmp_path


def reenact(*words):
    return main(["reenact", *words, "--model", "directions", "--device", "cpu"])


@pytest.mark.parametrize("tracker", ["deca", "open"])
def test_a_clip_is_reenacted_along_directions(images, tracker):
    assert reenact("source.png", "clip", "-o", "frames", "--tracker", tracker) == 0
    first, second = (np.asarray(Image.open(path)) for path in sorted((images / "frames").glob("*.png")))
    assert first.shape == (32, 32, 3) and np.any(first != second)


@pytest.mark.slow
def test_exact_follows_the_official_procedure(images, capsys):
    save_directions(make_tiny_directions(is_official_size=True), images / "official")
    words = ["reenact", "--exact", "source.png", "clip", "-o", "exact", "--model", "official", "--device", "cpu"]
    assert main(words) == 0
    assert np.asarray(Image.open(sorted((images / "exact").glob("*.png"))[0])).shape == (256, 256, 3)
    assert reenact("--exact", "source.png", "clip", "-o", "small") == 2
    assert "an image side of 256" in capsys.readouterr().err


def test_inversion_steps_tune_the_generator_and_stay_in_the_file(images):
    words = ["--model", "directions", "--device", "cpu"]
    assert main(["encode", "source.png", "-o", "plain.safetensors", *words]) == 0
    assert main(["encode", "source.png", "-o", "tuned.safetensors", "--inversion-steps", "5", *words]) == 0
    for name in ("plain", "tuned"):
        assert reenact(f"{name}.safetensors", "clip", "-o", name) == 0
    plain, tuned = (np.asarray(Image.open(sorted((images / name).glob("*.png"))[0])) for name in ("plain", "tuned"))
    assert np.any(plain != tuned)
