"""Models from a Hub into the model folder: only what is needed, checked, repaired, with progress."""

import huggingface_hub
import pytest
from hub_server import REPOSITORY, HubServer

from diffusionact.generation import load_components

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tiny_model_folder, monkeypatch):
    server = HubServer(tiny_model_folder)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield server
    server.close()


@pytest.fixture
def fetch(node_module, tmp_path):
    """Download into a folder; returns it and the reports of progress."""
    reports = []
    module = node_module("comfy.hub_download")
    return lambda repository=REPOSITORY: (
        module.download(repository, tmp_path / "models" / repository, lambda *report: reports.append(report)),
        reports,
    )


def test_a_downloaded_model_loads_and_nothing_else_was_fetched(hub, fetch):
    folder, reports = fetch()
    assert load_components(folder).config.landmark_frame == "aligned"
    assert not {"README.md", "pytorch_model.bin"} & set(hub.sent)
    assert reports[-1][0] == reports[-1][1] > 0


def test_what_is_there_is_not_downloaded_again(hub, fetch):
    fetch()
    hub.sent.clear()
    fetch()
    assert hub.sent == []


def test_a_file_that_was_cut_short_is_repaired(hub, fetch):
    folder, _ = fetch()
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    hub.sent.clear()
    fetch()
    assert (folder / WEIGHTS).read_bytes() == whole
    assert hub.sent == [WEIGHTS]


def test_a_file_that_arrived_damaged_is_fetched_once_more(hub, fetch):
    hub.spoiled[WEIGHTS] = 1
    folder, _ = fetch()
    assert load_components(folder)
    assert hub.sent.count(WEIGHTS) == 2


def test_a_file_damaged_every_time_is_an_error_and_does_not_stay(hub, fetch, tmp_path):
    hub.spoiled[WEIGHTS] = 9
    with pytest.raises(FileNotFoundError, match="hashes that the Hub states"):
        fetch()
    assert not (tmp_path / "models" / REPOSITORY / WEIGHTS).exists()


def test_a_model_that_is_there_is_used_without_a_connection(hub, fetch):
    folder, _ = fetch()
    hub.close()
    assert fetch()[0] == folder


def test_an_unknown_repository_is_explained(hub, fetch):
    with pytest.raises(FileNotFoundError, match="put the model's folder into"):
        fetch("somebody/else")


def test_an_error_that_says_nothing_is_explained_all_the_same(node_module, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise ConnectionError

    module = node_module("comfy.hub_download")
    monkeypatch.setattr(module, "snapshot_download", fail)
    with pytest.raises(FileNotFoundError, match="received ConnectionError: no reason given"):
        module.download(REPOSITORY, tmp_path / REPOSITORY, lambda done, total: None)
