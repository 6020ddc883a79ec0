"""Where the weights folder is, and which model a name means."""

import shutil
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest

from diffusionact import weights
from diffusionact.weights import folders, resolve_model_folder


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch, tmp_path):
    """No variable set, a home of its own, no host program before or after."""
    for name in ("DIFFUSIONACT_WEIGHTS", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield
    weights.use_folders()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/diffusionact"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, "xdg/diffusionact"),
        ("darwin", {}, "home/Library/Caches/diffusionact"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/diffusionact"),
    ],
)
def test_without_a_host_it_is_in_the_users_cache(monkeypatch, tmp_path, platform, variables, expected):
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert weights.weights_folder() == tmp_path / expected


def test_a_host_program_wins_over_the_cache_and_the_variable_over_both(monkeypatch, tmp_path):
    weights.use_folders(tmp_path / "models", tmp_path / "more")
    assert weights.weights_folder() == tmp_path / "models"
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", "~/mine")
    assert weights.weights_folder() == tmp_path / "home" / "mine"
    weights.use_folders()
    monkeypatch.delenv("DIFFUSIONACT_WEIGHTS")
    assert weights.weights_folder() == tmp_path / "home" / ".cache" / "diffusionact"


def test_files_are_searched_for_in_every_folder_of_the_host(tmp_path):
    weights.use_folders(tmp_path / "models", tmp_path / "more")
    assert weights.find_weights("emoca", "flame.safetensors") is None
    (tmp_path / "more" / "emoca").mkdir(parents=True)
    (tmp_path / "more" / "emoca" / "flame.safetensors").touch()
    assert weights.find_weights("emoca", "flame.safetensors") == tmp_path / "more" / "emoca" / "flame.safetensors"
    (tmp_path / "models" / "emoca").mkdir(parents=True)
    (tmp_path / "models" / "emoca" / "flame.safetensors").touch()
    assert weights.find_weights("emoca", "flame.safetensors") == tmp_path / "models" / "emoca" / "flame.safetensors"


def test_asking_for_the_folder_makes_nothing(tmp_path):
    weights.weights_folder()
    weights.find_weights("emoca")
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_the_weights_folder_is_found_by_its_name(tmp_path, monkeypatch, tiny_model_folder):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    weights.use_folders(tmp_path / "models")
    for name in ("mine", "somebody/model"):
        shutil.copytree(tiny_model_folder, tmp_path / "models" / name)
        assert resolve_model_folder(name) == tmp_path / "models" / name
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model_folder, tmp_path / "mine")
    assert resolve_model_folder("mine") == Path("mine"), "a folder that exists wins"


def test_a_name_does_not_lead_out_of_the_weights_folder(tmp_path, tiny_model_folder):
    shutil.copytree(tiny_model_folder, tmp_path / "elsewhere" / "model")
    weights.use_folders(tmp_path / "elsewhere" / "models" / "diffusionact")
    with pytest.raises(FileNotFoundError, match=r"which does not exist.*the name of one in .*diffusionact"):
        resolve_model_folder("../../model")


def test_the_folders_module_keeps_no_folder_that_was_given_up(tmp_path):
    weights.use_folders(tmp_path)
    weights.use_folders()
    assert folders._host_folders == []
