"""Model folders: found, loaded strictly, saved; and what a wrong folder is told."""

import json
from fnmatch import fnmatch

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_components, make_tiny_model

from diffusionact import generation, weights
from diffusionact.generation import PipelineConfig, load_components, save_components
from diffusionact.weights import resolve_model_folder

NETWORKS = ("unet", "inversion_unet", "reenactment_encoder", "semantic_encoder")
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "model")


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the Hub, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weight(folder, name, tensor):
    path = folder / "unet" / WEIGHTS
    save_file(load_file(path) | {name: tensor}, path)


@pytest.mark.parametrize("fine_tuned", [False, True])
def test_saved_model_loads_equal(tmp_path, fine_tuned):
    components = make_tiny_components(fine_tuned=fine_tuned)
    save_components(components, tmp_path / "a" / "model")
    loaded = load_components(tmp_path / "a" / "model")
    for name in NETWORKS:
        expected, received = getattr(components, name).state_dict(), getattr(loaded, name).state_dict()
        assert expected.keys() == received.keys()
        assert all(torch.equal(expected[key], received[key]) for key in expected)
        assert not getattr(loaded, name).training
    assert loaded.config == components.config
    assert loaded.scheduler.config.prediction_type == "v_prediction"


def test_a_decoder_that_was_not_fine_tuned_is_stored_and_held_once(folder):
    assert not (folder / "inversion_unet").exists()
    loaded = load_components(folder)
    assert loaded.inversion_unet is loaded.unet


def test_half_precision_files_load_as_float32_unless_asked(tmp_path, tiny_components):
    save_components(tiny_components, tmp_path / "half", dtype=torch.float16)
    assert load_file(tmp_path / "half" / "unet" / WEIGHTS)["conv_in.weight"].dtype == torch.float16
    loaded = load_components(tmp_path / "half").unet.conv_in.weight
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, tiny_components.unet.conv_in.weight.half().float())
    assert load_components(tmp_path / "half", dtype=torch.bfloat16).unet.dtype == torch.bfloat16


def test_folder_is_laid_out_as_diffusers_does_it(folder):
    index = json.loads((folder / "model_index.json").read_text())
    assert index["unet"] == ["diffusionact", "UNet"] and index["scheduler"] == ["diffusionact", "DDIMScheduler"]
    assert index["_class_name"] == "DiffusionActPipeline" and "inversion_unet" not in index
    assert index["diffusionact"]["landmark_frame"] == "aligned"
    expected = {"config.json", WEIGHTS}
    assert {path.name for path in (folder / "unet").iterdir()} == expected
    modes = {path.stat().st_mode for path in (folder / "unet").iterdir()}
    assert len(modes) == 1, "weights must be as readable as the config"


def test_module_paths_of_the_index_are_not_imported(folder):
    change_json(folder / "model_index.json", unet=["os", "system"], semantic_encoder=["nowhere", "Nothing"])
    load_components(folder)


def test_missing_files_are_named(folder):
    (folder / "unet" / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=rf"Expected the file unet/{WEIGHTS} .*received .*model.*fetch"):
        load_components(folder)
    (folder / "model_index.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected a model folder .*which holds none\. Give"):
        load_components(folder)


def test_a_listed_inversion_unet_must_be_there(folder):
    change_json(folder / "model_index.json", inversion_unet=["diffusionact", "UNet"])
    with pytest.raises(FileNotFoundError, match="inversion_unet/config.json"):
        load_components(folder)


def test_weights_that_are_not_finite_are_named(folder):
    change_weight(folder, "conv_in.bias", torch.full((8,), torch.nan))
    with pytest.raises(ValueError, match=r"Expected finite weights, received NaN .* in conv_in\.bias of .*unet"):
        load_components(folder)


def test_missing_and_unknown_weights_are_named(folder):
    path = folder / "unet" / WEIGHTS
    state = load_file(path)
    state["conv_on.bias"] = state.pop("conv_in.bias")
    save_file(state, path)
    with pytest.raises(ValueError, match=r"missing conv_in\.bias; unknown conv_on\.bias\. .*fetch"):
        load_components(folder)


def test_weights_of_another_shape_are_named(folder):
    change_weight(folder, "conv_in.bias", torch.zeros(9))
    with pytest.raises(ValueError, match=r"conv_in\.bias with shape \(8,\), received \(9,\) in .*unet"):
        load_components(folder)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"])
def test_damaged_weights_are_rejected(folder, content):
    (folder / "unet" / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match=rf"Expected a safetensors file, received .*\({len(content)} bytes.*fetch"):
        load_components(folder)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_damaged_json_is_rejected(folder, content):
    (folder / "unet" / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"Expected .*JSON.*config\.json.*[Ff]etch"):
        load_components(folder)


def test_components_of_other_models_are_rejected(folder):
    change_json(folder / "unet" / "config.json", _class_name="UNet2DModel")
    with pytest.raises(ValueError, match="config of a UNet .*received one of 'UNet2DModel'"):
        load_components(folder)


def test_unknown_settings_are_rejected(folder):
    change_json(folder / "unet" / "config.json", heads=8)
    with pytest.raises(ValueError, match=r"Expected only arguments of UNet .*received also heads\..*update"):
        load_components(folder)


@pytest.mark.parametrize("section", [None, {"landmark_farme": "aligned"}])
def test_a_wrong_pipeline_section_is_rejected(folder, section):
    change_json(folder / "model_index.json", diffusionact=section)
    with pytest.raises(ValueError, match=r"Expected a section 'diffusionact' .*landmark_frame"):
        load_components(folder)


def test_pipeline_settings_are_checked_and_default_to_the_official_model():
    assert PipelineConfig() == PipelineConfig("crop224", 256, 20, 50)
    wrong = {"landmark_frame": "full", "num_inference_steps": 0, "landmark_canvas": 0.5}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"Expected {name} "):
            PipelineConfig(**{name: value})


def test_saving_refuses_a_taken_folder_and_overwrites_only_the_model(tmp_path, folder):
    components = make_tiny_components(fine_tuned=True)
    with pytest.raises(FileExistsError, match=r"Expected a new or empty folder .*received .*model"):
        save_components(components, folder)
    (folder / "notes.txt").write_text("mine")
    save_components(components, folder, overwrite=True)
    assert (folder / "inversion_unet").is_dir()
    save_components(make_tiny_components(), folder, overwrite=True)
    assert not (folder / "inversion_unet").exists(), "a stale component must go"
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_failed_saving_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), weights.model_folder_writer(tmp_path / "model") as temporary:
        (temporary / "unet").mkdir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_an_error_of_the_system(tmp_path, tiny_components):
    (tmp_path / WEIGHTS).mkdir()
    unet = tiny_components.unet
    with pytest.raises(OSError, match=r"Expected to write 0 MiB of weights .*Free some space"):
        generation.write_network(unet, unet.state_dict(), tmp_path)


def test_loaded_model_does_not_hang_on_its_files(folder):
    loaded = load_components(folder)
    before = loaded.unet.conv_in.weight.clone()
    save_components(make_tiny_components(), folder, overwrite=True)
    (folder / "unet" / WEIGHTS).write_bytes(b"")
    assert torch.equal(loaded.unet.conv_in.weight, before)
    assert loaded.unet.conv_in.weight.requires_grad


def test_a_checkpoint_in_place_of_a_folder_is_sent_to_the_converter(tmp_path):
    (tmp_path / "diffusionact_model.pt").touch()
    with pytest.raises(FileNotFoundError, match=r"received the file .*diffusionact_model\.pt.*diffusionact convert"):
        resolve_model_folder(tmp_path / "diffusionact_model.pt")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"received .*nowhere, which does not exist\. Give 'photo'"):
        resolve_model_folder(tmp_path / "nowhere")


def test_hub_repository_comes_from_the_cache_without_network(hub_cache, tiny_model_folder):
    snapshot = hub_cache / "models--somebody--model" / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(tiny_model_folder, target_is_directory=True)
    reference = hub_cache / "models--somebody--model" / "refs" / "main"
    reference.parent.mkdir()
    reference.write_text(snapshot.name)
    assert resolve_model_folder("somebody/model") == snapshot
    assert load_components("somebody/model").config.landmark_frame == "aligned"


def test_hub_repository_that_cannot_be_fetched_is_explained(hub_cache):
    for name in ("somebody/model", "somebody/mo--del"):
        with pytest.raises(FileNotFoundError, match=rf"received '{name}', which is no folder here .*connection"):
            resolve_model_folder(name)


def test_only_the_files_of_a_model_are_fetched():
    def is_fetched(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in weights.HUB_PATTERNS)

    assert all(map(is_fetched, ("model_index.json", "unet/config.json", f"mesh/{WEIGHTS}", "scheduler/config.json")))
    assert not any(
        map(is_fetched, ("README.md", "unet/model.bin", "unet/model.pt", "unet/code.py", "other.safetensors"))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"semantic_dim": "wide"},
        {"norm_groups": float("inf")},
        {"layers_per_block": 10**9},
        {"block_out_channels": [-8]},
    ],
)
def test_config_of_values_that_make_no_network_is_rejected_at_once(folder, change):
    change_json(folder / "unet" / "config.json", **change)
    with pytest.raises(ValueError, match="Expected .* in .*config.json, received .*model again"):
        load_components(folder)
