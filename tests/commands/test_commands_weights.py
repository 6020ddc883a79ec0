"""`diffusionact weights` as a person runs it: words in, text and exit code out, files in the weights folder."""

import dataclasses
import hashlib
import io
import shutil

import pytest
import torch
from http_files import serving
from official_files import TINY, write_all
from perception_networks import published, tiny_perception_networks
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from diffusionact.cli import main
from diffusionact.commands import weights as command
from diffusionact.commands.weights import DOWNLOADS
from diffusionact.conversion.importing import import_files
from diffusionact.weights import CATALOGUE, catalogue
from diffusionact.weights.provenance import Provenance, write_model_provenance


@pytest.fixture(scope="module")
def official_set(tmp_path_factory):
    """The tracker's files at tiny size in the authors' layout; do not write into it."""
    folder = tmp_path_factory.mktemp("official_set")
    write_all(folder, TINY, ("s3fd", "fan", "gaze", "emoca", "flame"))
    return folder


@pytest.fixture(scope="module")
def imported(official_set, tmp_path_factory):
    """A weights folder with all of them; do not write into it."""
    folder = tmp_path_factory.mktemp("imported") / "weights"
    import_files([official_set], folder, progress=False)
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The weights folder of the test."""
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def run(caplog, capsys):
    """Run `diffusionact weights WORDS`; returns (exit code, everything that was said)."""

    def run(*words):
        caplog.clear()
        with caplog.at_level("INFO"):
            code = main(["weights", *map(str, words)])
        return code, "\n".join(caplog.messages) + capsys.readouterr().err

    return run


def test_list_says_of_every_file_what_it_is_for_and_how_to_get_it(run, folder):
    code, text = run("list")
    assert code == 0 and f"Weights folder: {folder}" in text
    for entry in CATALOGUE:
        assert all(part in text for part in (entry.name, entry.purpose, entry.licence, entry.how_to_get, entry.origin))
        assert all(name in text for name in entry.file_names)
        assert all(f"{start}..." in text for start in entry.sha256_starts)
    assert text.count("missing") == len(CATALOGUE) - 1
    assert not folder.exists(), "looking makes nothing"


def test_list_after_an_import_says_where_and_of_what(run, folder, imported):
    shutil.copytree(imported, folder)
    code, text = run("list")
    others = ("perception/", "directions", "emoca/deca_encoder")
    is_other = [entry.component.startswith(others) for entry in CATALOGUE]
    assert code == 0 and text.count("missing") == 1 + sum(is_other), "the model, what others need"
    assert f"found    {folder / 'emoca' / 'gaze_net.safetensors'}" in text
    assert "made of: gaze_estimation_model.tar, sha256 " in text and "no published hash to compare with" in text
    assert "hash DIFFERS from the published 619a316812" in text


def test_list_and_check_name_other_models_too(run, folder):
    make_tiny_model(folder / "mine")
    assert "Models here, for --model: mine" in run("list")[1]
    code, text = run("check")
    assert code == 0 and "whole    mine" in text
    (folder / "mine" / "unet" / "config.json").write_text("{")
    code, text = run("check")
    assert code == 1 and "BROKEN   mine: Expected JSON" in text


def test_check_finds_a_changed_model_that_still_loads(run, folder):
    make_tiny_model(folder / "diffusionact")
    write_model_provenance(folder / "diffusionact", Provenance("diffusionact_model.pt", "0" * 64, "none"))
    assert run("check")[0] == 0
    flip_a_bit(folder / "diffusionact" / "unet" / "diffusion_pytorch_model.safetensors")
    code, text = run("check")
    assert code == 1 and "BROKEN   diffusionact: Expected the weights that were imported" in text


def test_check_of_an_empty_folder_says_what_to_do_and_is_no_failure(run):
    code, text = run("check")
    assert code == 0
    assert "missing  emoca/face_detector.safetensors: `diffusionact weights fetch s3fd`" in text
    assert "register at flame.is.tue.mpg.de" in text and "DECA" in text


def test_check_reads_what_was_imported(run, official_set):
    assert run("import", official_set)[0] == 0
    code, text = run("check")
    assert code == 0 and text.count("whole    ") == 5 and "BROKEN" not in text


def test_networks_of_losses_are_imported_listed_and_checked(run, folder, tmp_path):
    for name, network in tiny_perception_networks().items():
        torch.save(published(name, network), tmp_path / f"{name}.pth")
    code, text = run("import", *sorted(tmp_path.glob("*.pth")))
    assert code == 0 and "8 imported" in text
    assert "vgg19: written to" in text and "whose sha256 begins with dcbb9e9d: this one's begins with" in text
    assert "hash DIFFERS from the published 468e13ca13" in run("list")[1]
    code, text = run("check")
    assert code == 0 and text.count("whole    perception/") == 8
    assert "missing  perception/insightface.safetensors: download buffalo_l" in text
    flip_a_bit(folder / "perception" / "farl.safetensors")
    cut(folder / "perception" / "vgg16.safetensors")
    drop_a_weight(folder / "perception" / "lpips-alex.safetensors")
    code, text = run("check")
    assert code == 1 and text.count("whole    perception/") == 5
    for name in ("farl", "vgg16", "lpips-alex"):
        assert f"BROKEN   perception/{name}.safetensors: Expected" in text


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def drop_a_weight(path):
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path)


def round_to_bfloat16(path):
    with safe_open(path, framework="pt") as file:
        notes = file.metadata()
    tensors = load_file(path)
    rounded = {name: value.bfloat16() if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(rounded, path, notes)


def make_infinite(path):
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if tensors[name].is_floating_point())
    tensors[name].flatten()[0] = torch.inf
    save_file(tensors, path)


@pytest.mark.parametrize("damage", [cut, flip_a_bit, drop_a_weight, round_to_bfloat16, make_infinite])
@pytest.mark.parametrize("name", ["face_detector", "gaze_net", "flame"])
def test_check_finds_every_damage(run, folder, imported, damage, name):
    shutil.copytree(imported, folder)
    damage(folder / "emoca" / f"{name}.safetensors")
    code, text = run("check")
    assert code == 1 and f"BROKEN   emoca/{name}.safetensors: Expected" in text
    assert text.count("whole    ") == 4


def test_import_says_what_each_file_was_and_what_became_of_it(run, folder, official_set):
    code, text = run("import", official_set / "s3fd-619a316812.pth", official_set / "gaze_estimation_model.tar")
    assert code == 0
    assert f"s3fd: written to {folder / 'emoca' / 'face_detector.safetensors'}" in text
    assert "2 imported" in text and "weights list" in text
    code, text = run("import", official_set / "s3fd-619a316812.pth")
    assert code == 0 and "there already" in text


def test_an_unknown_file_gives_exit_code_1_but_the_others_are_imported(run, folder, official_set, tmp_path):
    (tmp_path / "notes.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    code, text = run("import", tmp_path / "notes.pkl", official_set / "2DFAN4-11f355bf06.pth.tar")
    assert code == 1 and "1 failed" in text and "1 imported" in text
    assert [path.name for path in (folder / "emoca").iterdir()] == ["landmark_net.safetensors"]


def test_many_files_of_no_use_are_counted_not_listed(run, official_set, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(30):
        (folder / f"{index:02}.npy").write_bytes(b"")
    (folder / "s3fd.pth").write_bytes((official_set / "s3fd-619a316812.pth").read_bytes())
    code, text = run("import", folder)
    assert code == 0 and "11.npy" in text and "12.npy" not in text
    assert "and 18 more files of no use here" in text


def test_a_folder_without_any_of_the_files_gives_exit_code_1(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, text = run("import", tmp_path / "empty")
    assert code == 1 and "no file that could be one of them" in text


def test_a_path_that_does_not_exist_is_bad_input(run, tmp_path):
    code, text = run("import", tmp_path / "nowhere.pt")
    assert code == 2 and "diffusionact: Expected a file, folder or archive, received" in text


@pytest.mark.parametrize("name", ["diffusionact", "emoca", "flame", "gaze", "flame-landmarks"])
def test_fetch_of_a_file_whose_terms_forbid_it_says_what_to_do(run, folder, name):
    code, text = run("fetch", name, "--yes")
    entry = next(entry for entry in CATALOGUE if entry.name == name)
    assert code == 2 and entry.how_to_get in text and entry.licence in text and "weights import" in text
    assert not folder.exists()


def test_fetch_of_an_unknown_name_lists_the_names(run):
    code, text = run("fetch", "s4fd")
    assert code == 2 and "Expected the name of a file: diffusionact, diffae, s3fd" in text


@pytest.mark.parametrize("answer", ["\n", "n\n", ""])
def test_fetch_asks_first_and_without_a_yes_does_nothing(run, folder, monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    with serving(b"never sent") as server:
        code, text = run("fetch", "s3fd", "--url", server.url)
        assert server.requests == []
    assert code == 2 and "BSD-3-Clause" in text and "Nothing was downloaded; --yes" in text
    assert not folder.exists()


def test_fetch_downloads_shows_the_licence_and_imports(run, folder, official_set, monkeypatch):
    content = (official_set / "s3fd-619a316812.pth").read_bytes()
    entry = dataclasses.replace(
        catalogue.catalogue_entry("s3fd"), sha256_starts=(hashlib.sha256(content).hexdigest()[:10],)
    )
    monkeypatch.setattr(command, "catalogue_entry", {"s3fd": entry}.__getitem__)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with serving(content) as server:
        server.break_after = len(content) // 2
        code, text = run("fetch", "s3fd", "--url", server.url)
        assert len(server.requests) >= 2
        assert code == 0 and "BSD-3-Clause" in text and "1 imported" in text
        assert (folder / "emoca" / "face_detector.safetensors").is_file()
        assert list((folder / DOWNLOADS).iterdir()) == []
        server.requests = []
        assert "There already" in run("fetch", "s3fd", "--yes", "--url", server.url)[1] and server.requests == []


def test_fetch_refuses_another_file_than_the_published_one(run, folder, official_set):
    with serving((official_set / "s3fd-619a316812.pth").read_bytes()) as server:
        code, text = run("fetch", "s3fd", "--yes", "--url", server.url)
    assert code == 2 and "sha256 begins with 619a316812" in text
    assert [path.name for path in folder.rglob("*")] == [DOWNLOADS]


def test_a_model_in_the_weights_folder_is_used_by_its_name(folder, tmp_path, portrait):
    from PIL import Image

    make_tiny_model(folder / "mine")
    Image.fromarray(portrait.numpy()).save(tmp_path / "source.png")
    words = ["encode", str(tmp_path / "source.png"), "-o", str(tmp_path / "out.safetensors"), "--model", "mine"]
    assert main([*words, "--device", "cpu", "--dtype", "float32"]) == 0
    assert (tmp_path / "out.safetensors").is_file()
