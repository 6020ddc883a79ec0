"""Single networks of the face tracker for losses and metrics: published or imported, by path or in a folder."""

import pytest
import torch
from official_files import EMOCA_FOLDER, TINY, write_all

from diffusionact.conversion.importing import import_files
from diffusionact.conversion.published_networks import read_network_file
from diffusionact.perception.face_reader_networks import FACE_READER_NETWORKS, load_face_reader_network

PUBLISHED = {
    "s3fd": "s3fd-619a316812.pth",
    "fan": "2DFAN4-11f355bf06.pth.tar",
    "gaze": "gaze_estimation_model.tar",
    "emoca": EMOCA_FOLDER,
    "flame": "FLAME/generic_model.pkl",
}


@pytest.fixture(scope="module")
def official_set(tmp_path_factory):
    """The tracker's files at tiny size in the authors' layout; do not write into it."""
    folder = tmp_path_factory.mktemp("official_set")
    write_all(folder, TINY, ("s3fd", "fan", "gaze", "emoca", "flame"))
    return folder


@pytest.fixture(scope="module")
def imported(official_set, tmp_path_factory):
    """A weights folder with all of them; do not write into it."""
    folder = tmp_path_factory.mktemp("imported")
    import_files([official_set], folder, progress=False)
    return folder


def published_file(folder, name):
    path = folder / PUBLISHED[name]
    return path if path.is_file() else next(path.rglob("*val_loss=3.25.ckpt"))


@pytest.mark.parametrize("name", ["s3fd", "fan", "gaze", "emoca"])
def test_a_published_file_by_its_path_is_the_network_of_the_weights_folder(official_set, imported, monkeypatch, name):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(imported))
    ours = load_face_reader_network(name).state_dict()
    path = published_file(official_set, name)
    theirs = load_face_reader_network(name, {name: path}, read=read_network_file).state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not any(value.requires_grad for value in load_face_reader_network(name).parameters())


def test_flames_published_file_must_be_imported_first(official_set, imported):
    with pytest.raises(ValueError, match="^Expected FLAME as .*weights import.*received .*Import it first"):
        load_face_reader_network("flame", {"flame": published_file(official_set, "flame")}, read=read_network_file)
    assert load_face_reader_network("flame", emoca_folder=imported / "emoca").template.isfinite().all()


@pytest.mark.parametrize("name", FACE_READER_NETWORKS)
def test_a_missing_network_is_named_with_source_licence_and_use(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    needed_for = FACE_READER_NETWORKS[name].needed_for
    with pytest.raises(FileNotFoundError, match=f"^Expected .*licence: .*{needed_for}, received .*To get it"):
        load_face_reader_network(name)


def test_a_cut_file_is_rejected(imported, tmp_path):
    content = (imported / "emoca" / "gaze_net.safetensors").read_bytes()
    (tmp_path / "gaze_net.safetensors").write_bytes(content[:-100])
    with pytest.raises(ValueError, match="^Expected a complete safetensors file of ETH-XGaze, received .*Import"):
        load_face_reader_network("gaze", emoca_folder=tmp_path)
