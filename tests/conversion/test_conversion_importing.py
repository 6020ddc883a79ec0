"""The authors' files into the weights folder: recognised by content, converted; a bad one does not stop the others."""

import json
import shutil
import tarfile

import numpy as np
import pytest
import torch
from official_files import BEST_CHECKPOINT, EMOCA_FOLDER, TINY, head_buffers, write_all, write_diffusionact, write_emoca
from safetensors.torch import load_file
from tiny_model import make_tiny_components

from diffusionact.conversion import official
from diffusionact.conversion.importing import import_files
from diffusionact.face.readers.emoca import COMPONENTS, DECA_COMPONENTS, load_emoca_networks
from diffusionact.generation import load_components, on_meta, save_components
from diffusionact.perception.perception_files import PERCEPTION_FILES
from diffusionact.weights import CATALOGUE
from diffusionact.weights.provenance import read_provenance, sha256_of_file, sha256_of_model

TRACKER_FILES = {f"emoca/{name}" for name, _ in COMPONENTS.values()}


@pytest.fixture(scope="session")
def official_set(tmp_path_factory):
    """The tracker's files at tiny size in the authors' layout; do not write into it."""
    folder = tmp_path_factory.mktemp("official_set")
    write_all(folder, TINY, ("s3fd", "fan", "gaze", "emoca", "flame"))
    return folder


@pytest.fixture(scope="module")
def emoca_without_head(tmp_path_factory):
    return write_emoca(tmp_path_factory.mktemp("no_head"), TINY, head={})


@pytest.fixture
def bring(tmp_path):
    """Import into a weights folder; returns (status, what) -> outcomes."""

    def run(*paths, **options):
        outcomes = import_files(paths, tmp_path / "weights", progress=False, **options)
        return {(outcome.status, outcome.what): outcome for outcome in outcomes}

    return run


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_set_becomes_a_tracker_that_loads(official_set, bring, tmp_path):
    outcomes = bring(official_set)
    assert {what for status, what in outcomes if status == "imported"} == {"s3fd", "fan", "gaze", "emoca", "flame"}
    assert not [what for status, what in outcomes if status == "failed"]
    assert files_in(tmp_path / "weights") == TRACKER_FILES
    networks = load_emoca_networks(tmp_path / "weights" / "emoca")
    official_weight = torch.load(official_set / "s3fd-619a316812.pth")["conv1_1.weight"]
    assert torch.equal(networks.detector.trunk[0][0].weight, official_weight)


def test_every_weight_comes_from_the_best_checkpoint(official_set, bring, tmp_path):
    outcomes = bring(official_set / EMOCA_FOLDER)
    best = official_set / EMOCA_FOLDER / "detail" / "checkpoints" / BEST_CHECKPOINT
    state = torch.load(best)["state_dict"]
    ours = load_file(tmp_path / "weights" / "emoca" / "coefficient_encoders.safetensors")
    assert torch.equal(ours["expression.out.bias"], state["deca.E_expression.layers.2.bias"])
    assert torch.equal(ours["shape_and_pose.out.bias"], state["deca.E_flame.layers.2.bias"])
    assert f"{BEST_CHECKPOINT} was taken instead" in outcomes["left", "emoca"].result
    assert "cfg.yaml agrees on 50" in outcomes["imported", "emoca"].result


def test_names_do_not_matter(official_set, bring, tmp_path):
    for index, path in enumerate(sorted(path for path in official_set.rglob("*") if path.suffix not in ("", ".yaml"))):
        if "val_loss=3.50" not in path.name:
            shutil.copy(path, tmp_path / f"{index}.pt")
    outcomes = bring(*sorted(tmp_path.glob("*.pt")))
    assert {what for status, what in outcomes if status == "imported"} == {"s3fd", "fan", "gaze", "emoca", "flame"}


def test_archives_of_the_authors_are_imported_and_leave_nothing_behind(official_set, bring, tmp_path):
    shutil.make_archive(str(tmp_path / "FLAME2020"), "zip", official_set / "FLAME")
    with tarfile.open(tmp_path / "EMOCA.tar.gz", "w:gz") as archive:
        archive.add(official_set / EMOCA_FOLDER, "EMOCA_v2_lr_mse_20")
    outcomes = bring(tmp_path / "EMOCA.tar.gz", tmp_path / "FLAME2020.zip")
    assert ("imported", "emoca") in outcomes and ("imported", "flame") in outcomes
    assert "agrees on 50" in outcomes["imported", "emoca"].result
    assert "EMOCA.tar.gz: EMOCA_v2_lr_mse_20/detail/checkpoints/" in outcomes["imported", "emoca"].shown
    assert files_in(tmp_path / "weights") == {"emoca/coefficient_encoders.safetensors", "emoca/flame.safetensors"}
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["emoca"]


def test_provenance_travels_with_the_weights(official_set, bring, tmp_path):
    source = official_set / "2DFAN4-11f355bf06.pth.tar"
    outcomes = bring(source)
    provenance = read_provenance(tmp_path / "weights" / "emoca" / "landmark_net.safetensors")
    assert provenance.source == source.name and provenance.source_sha256 == sha256_of_file(source)
    assert "BSD-3-Clause" in provenance.licence
    assert "not the published file, whose sha256 begins with 11f355bf06" in outcomes["imported", "fan"].result


def test_what_is_there_is_kept_unless_told(official_set, bring, tmp_path):
    bring(official_set / "s3fd-619a316812.pth")
    path = tmp_path / "weights" / "emoca" / "face_detector.safetensors"
    path.write_bytes(b"mine")
    outcomes = bring(official_set / "s3fd-619a316812.pth")
    assert "--overwrite replaces it" in outcomes["kept", "s3fd"].result and path.read_bytes() == b"mine"
    assert ("imported", "s3fd") in bring(official_set / "s3fd-619a316812.pth", overwrite=True)
    assert path.stat().st_size > 1000


def test_a_bad_file_does_not_stop_the_others_and_leaves_nothing(official_set, bring, tmp_path):
    state = torch.load(official_set / "s3fd-619a316812.pth")
    state["fc7.bias"][3] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    gaze = torch.load(official_set / "gaze_estimation_model.tar")
    del gaze["model_state"]["gaze_network.layer2.0.conv1.weight"]
    torch.save(gaze, tmp_path / "short.tar")
    (tmp_path / "note.txt").write_text("hello")
    fan = official_set / "2DFAN4-11f355bf06.pth.tar"
    outcomes = bring(tmp_path / "nan.pth", tmp_path / "short.tar", tmp_path / "note.txt", fan)
    assert "NaN" in outcomes["failed", "s3fd"].result
    assert "Expected the weights of the gaze net" in outcomes["failed", "gaze"].result
    assert outcomes["failed", "unknown"].result == "not a format of the authors' files"
    assert files_in(tmp_path / "weights") == {"emoca/landmark_net.safetensors"}


def test_unknown_files_of_a_folder_are_listed_and_no_failure(official_set, bring, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(official_set / "s3fd-619a316812.pth", folder)
    np.save(folder / "texture.npy", np.zeros(3))
    torch.save({"generator": {}}, folder / "other.pt")
    outcomes = bring(folder)
    assert ("imported", "s3fd") in outcomes and ("left", "unknown") in outcomes
    assert not [what for status, what in outcomes if status == "failed"]


def test_a_torchscript_version_is_named(bring, tmp_path):
    torch.jit.script(torch.nn.Identity()).save(str(tmp_path / "2DFAN4-cd938726ad.zip"))
    assert "TorchScript" in bring(tmp_path / "2DFAN4-cd938726ad.zip")["failed", "unknown"].result


@pytest.mark.parametrize("name", ["generic_model.pkl", "landmark_embedding.npy"])
def test_half_of_the_head_asks_for_the_other_half(official_set, bring, tmp_path, name):
    outcome = bring(official_set / "FLAME" / name)["failed", "flame"]
    assert "in the same import" in outcome.result
    assert files_in(tmp_path / "weights") == set()


def test_emoca_without_a_head_says_so_and_takes_flames_files(official_set, emoca_without_head, bring, tmp_path):
    outcomes = bring(emoca_without_head)
    assert ("imported", "emoca") in outcomes and "holds no head" in outcomes["left", "flame"].result
    assert ("imported", "flame") in bring(official_set / "FLAME")
    assert ("left", "flame") not in bring(emoca_without_head), "the head is there"
    assert len(load_file(tmp_path / "weights" / "emoca" / "flame.safetensors")) == 11


def test_emocas_head_replaces_one_of_flames_files_as_in_the_official_code(official_set, bring, tmp_path):
    bring(official_set / "FLAME")
    path = tmp_path / "weights" / "emoca" / "flame.safetensors"
    assert read_provenance(path).source == "generic_model.pkl + landmark_embedding.npy"
    bring(official_set / EMOCA_FOLDER)
    assert read_provenance(path).source == BEST_CHECKPOINT
    assert ("kept", "flame") in bring(official_set / EMOCA_FOLDER)


@pytest.mark.parametrize("width", [53, 56])
def test_wider_expression_encoders_are_read_with_their_settings(bring, tmp_path, width):
    model = write_emoca(tmp_path, TINY, head={}, width=width)
    assert f"cfg.yaml agrees on {width}" in bring(model)["imported", "emoca"].result


@pytest.mark.parametrize(
    ("settings", "result"),
    [
        ("detail: {model: {exp_deca_jaw_pose: true}}", "Expected an expression encoder of 53 numbers by cfg.yaml"),
        ("model: {exp_deca_jaw_pose: true, exp_deca_global_pose: true}", "Expected an expression encoder of 56"),
    ],
)
def test_settings_of_another_model_are_rejected(emoca_without_head, bring, tmp_path, settings, result):
    pytest.importorskip("yaml", reason="PyYAML (train extra) is absent")
    shutil.copytree(emoca_without_head, tmp_path / "model")
    (tmp_path / "model" / "cfg.yaml").write_text(settings)
    assert result in bring(tmp_path / "model")["failed", "emoca"].result
    assert files_in(tmp_path / "weights") == set()


@pytest.mark.parametrize("settings", ["[1, 2", "!!python/object/apply:os.system [exit]", "a: 1", "", "[]"])
def test_settings_that_say_nothing_are_passed_over(emoca_without_head, bring, tmp_path, settings):
    shutil.copytree(emoca_without_head, tmp_path / "model")
    (tmp_path / "model" / "cfg.yaml").write_text(settings)
    assert "cfg.yaml was not compared" in bring(tmp_path / "model")["imported", "emoca"].result


def test_checkpoints_of_two_emoca_models_are_not_mixed(emoca_without_head, bring, tmp_path):
    for name in ("EMOCA", "EMOCA_v2"):
        shutil.copytree(emoca_without_head, tmp_path / "both" / name)
    outcome = bring(tmp_path / "both")["failed", "emoca"]
    assert "Expected the checkpoints of one EMOCA model" in outcome.result
    shutil.copytree(emoca_without_head, tmp_path / "both" / "EMOCA_v2_lr_mse_20")
    assert ("imported", "emoca") in bring(tmp_path / "both"), "the official one wins"


def test_the_generic_head_is_taken_from_flames_archive(official_set, bring, tmp_path):
    shutil.copytree(official_set / "FLAME", tmp_path / "FLAME")
    for name in ("female_model.pkl", "male_model.pkl"):
        shutil.copy(official_set / "FLAME" / "generic_model.pkl", tmp_path / "FLAME" / name)
    outcomes = bring(tmp_path / "FLAME")
    assert outcomes["imported", "flame"].shown.endswith(
        "generic_model.pkl + " + str(tmp_path / "FLAME/landmark_embedding.npy")
    )
    assert outcomes["left", "flame"].result.endswith("generic_model.pkl was taken instead")


def test_the_model_is_converted_into_a_folder_of_its_name(bring, tmp_path, monkeypatch):
    tiny = make_tiny_components(fine_tuned=True)
    networks = {name: on_meta(type(getattr(tiny, name)), getattr(tiny, name).config) for name in official.ORIGINS}
    monkeypatch.setattr(official, "official_networks", lambda: networks)
    write_diffusionact(tmp_path, networks)
    outcomes = bring(tmp_path / "diffusionact_model.pt")
    folder = tmp_path / "weights" / "diffusionact"
    assert outcomes["imported", "diffusionact"].result == f"written to {folder}"
    assert load_components(folder).config.landmark_frame == "crop224"
    notes = json.loads((folder / "provenance.json").read_text())
    assert notes["source"] == "diffusionact_model.pt" and "ask them" in notes["licence"]
    assert notes["content_sha256"] == sha256_of_model(folder)
    assert ("kept", "diffusionact") in bring(tmp_path / "diffusionact_model.pt")
    save_components(tiny, folder, overwrite=True)
    assert not (folder / "provenance.json").exists(), "the note of a model that was replaced must go"


def test_the_catalogue_names_the_files_of_face_reader_and_losses():
    made = {entry.component for entry in CATALOGUE if entry.component.endswith(".safetensors")}
    readers = {f"emoca/{name}" for name, _ in (COMPONENTS | DECA_COMPONENTS).values()}
    assert made == readers | {f"perception/{name}.safetensors" for name in PERCEPTION_FILES}


def test_both_sources_of_the_head_give_the_same_tensors(official_set, bring, tmp_path):
    bring(official_set / "FLAME")
    ours = load_file(tmp_path / "weights" / "emoca" / "flame.safetensors")
    bring(official_set / EMOCA_FOLDER, overwrite=True)
    theirs = load_file(tmp_path / "weights" / "emoca" / "flame.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert torch.equal(ours["template"], head_buffers(TINY)["deca.flame.v_template"])


def test_a_damaged_archive_does_not_stop_the_others(official_set, bring, tmp_path):
    (tmp_path / "downloads").mkdir()
    shutil.copy(official_set / "s3fd-619a316812.pth", tmp_path / "downloads")
    shutil.make_archive(str(tmp_path / "downloads" / "notes"), "gztar", official_set / "FLAME")
    archive = tmp_path / "downloads" / "notes.tar.gz"
    archive.write_bytes(archive.read_bytes()[:40])
    outcomes = bring(tmp_path / "downloads")
    assert ("imported", "s3fd") in outcomes
    assert "Expected a whole archive, received" in outcomes["failed", "unknown"].result


def test_a_weights_folder_that_cannot_be_made_is_said_in_words(official_set, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="^Expected a folder for weights .*received .*Choose .*DIFFUSIONACT_WEIGHTS"):
        import_files([official_set], tmp_path / "file" / "weights", progress=False)
