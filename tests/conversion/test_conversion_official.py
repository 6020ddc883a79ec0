"""Official checkpoints become model folders: names, shapes, and what is refused. Tiny networks, official layout."""

import pytest
import torch
from tiny_model import make_tiny_components

from diffusionact.conversion import official
from diffusionact.generation import PipelineConfig, load_components, on_meta
from diffusionact.models import SemanticEncoder, UNet

NETWORKS = ("unet", "inversion_unet", "semantic_encoder", "reenactment_encoder")


@pytest.fixture(scope="module")
def components():
    return make_tiny_components(fine_tuned=True)


@pytest.fixture(autouse=True)
def tiny_instead_of_official(components, monkeypatch):
    """Let `convert_official` expect networks of the tiny size."""
    tiny = {name: on_meta(type(getattr(components, name)), getattr(components, name).config) for name in NETWORKS}
    monkeypatch.setattr(official, "official_networks", lambda: tiny)


@pytest.fixture
def checkpoint(components):
    """What diffusionact_model.pt holds: our networks under the official names and shapes."""
    content = {"state_dict_net": {}, "state_dict_diff": {"x_T": torch.zeros(1, 3, 32, 32)}, "best_val_loss": 0.5}
    for name, origin in official.ORIGINS.items():
        network = getattr(components, name)
        state = network.state_dict()
        for theirs, ours in official.rename_table(name, network).items():
            tensor = state[ours].clone()
            is_conv1d = theirs.endswith(("qkv.weight", "proj_out.weight"))
            content[origin.part][theirs] = tensor[..., None] if is_conv1d else tensor
            if name == "semantic_encoder":
                content[origin.part][theirs.removeprefix("ema_")] = torch.full_like(tensor, torch.nan)
    return content


def saved(content, tmp_path, name="diffusionact_model.pt"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def convert(content, tmp_path, **options):
    official.convert_official(saved(content, tmp_path), tmp_path / "model", progress=False, **options)
    return tmp_path / "model"


def test_every_weight_arrives_under_our_names(components, checkpoint, tmp_path):
    converted = load_components(convert(checkpoint, tmp_path))
    for name in NETWORKS:
        expected, received = getattr(components, name).state_dict(), getattr(converted, name).state_dict()
        assert expected.keys() == received.keys()
        assert all(torch.equal(expected[key], received[key]) for key in expected), name


def test_converted_model_has_the_official_settings(checkpoint, tmp_path):
    converted = load_components(convert(checkpoint, tmp_path))
    assert converted.config == PipelineConfig("crop224", 256, 20, 50)
    assert converted.scheduler.config.prediction_type == "epsilon"
    assert converted.scheduler.config.clip_sample


def test_half_precision_weights_become_float32(checkpoint, tmp_path):
    checkpoint["state_dict_net"] = {key: tensor.half() for key, tensor in checkpoint["state_dict_net"].items()}
    converted = load_components(convert(checkpoint, tmp_path))
    key, tensor = "encoder.conv_in.weight", checkpoint["state_dict_net"]["controlnet.input_blocks.0.0.weight"]
    assert torch.equal(converted.reenactment_encoder.state_dict()[key], tensor.float())


@pytest.mark.parametrize("key", ["ema_model.out.2.bias", "model.time_embed.time_embed.0.weight"])
def test_a_missing_weight_is_named(checkpoint, tmp_path, key):
    del checkpoint["state_dict_diff"][key]
    with pytest.raises(ValueError, match=rf"Expected .* official weights .*missing {key}; unknown none.*download"):
        convert(checkpoint, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["diffusionact_model.pt"]


def test_a_missing_network_is_refused(checkpoint, tmp_path):
    diff = checkpoint["state_dict_diff"]
    checkpoint["state_dict_diff"] = {key: value for key, value in diff.items() if not key.startswith("model.")}
    with pytest.raises(ValueError, match=r"missing model\.input_blocks.* and \d+ more"):
        convert(checkpoint, tmp_path)


def test_an_unknown_weight_is_named(checkpoint, tmp_path):
    checkpoint["state_dict_net"]["zero_conv_2.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"missing none; unknown zero_conv_2\.weight"):
        convert(checkpoint, tmp_path)


def test_an_unknown_part_is_reported_and_left_out(checkpoint, tmp_path, caplog):
    convert(checkpoint | {"optimizer": {}, "global_noise": {}}, tmp_path)
    assert "unknown: optimizer" in caplog.text and "global_noise" not in caplog.text


def test_a_missing_part_is_refused(checkpoint, tmp_path):
    del checkpoint["state_dict_net"]
    with pytest.raises(ValueError, match=r"weights 'state_dict_net', received .*'state_dict_diff'.*Choose"):
        convert(checkpoint, tmp_path)


@pytest.mark.parametrize("value", [torch.nan, -torch.inf])
def test_a_weight_that_is_not_finite_is_named(checkpoint, tmp_path, value):
    checkpoint["state_dict_diff"]["ema_model.middle_block.1.qkv.weight"][3, 2, 0] = value
    with pytest.raises(ValueError, match=r"NaN or infinite values in ema_model\.middle_block\.1\.qkv\.weight"):
        convert(checkpoint, tmp_path)
    assert not (tmp_path / "model").exists()


def test_a_weight_of_another_shape_is_named(checkpoint, tmp_path):
    checkpoint["state_dict_net"]["controlnet.out.0.bias"] = torch.zeros(5)
    with pytest.raises(ValueError, match=r"controlnet\.out\.0\.bias with shape \(16,\), received \(5,\)"):
        convert(checkpoint, tmp_path)


def test_an_existing_model_is_kept_unless_told(checkpoint, tmp_path):
    folder = convert(checkpoint, tmp_path)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="Expected a new or empty folder.*received .*model.*Choose"):
        convert(checkpoint, tmp_path)
    checkpoint["state_dict_net"]["zero_conv_1.bias"] += 1
    convert(checkpoint, tmp_path, overwrite=True)
    changed = load_components(folder).reenactment_encoder.map_projection.bias
    assert torch.equal(changed, checkpoint["state_dict_net"]["zero_conv_1.bias"])
    assert (folder / "notes.txt").read_text() == "mine"


def test_diffae_checkpoint_with_equal_weights_is_accepted(checkpoint, tmp_path, caplog):
    other = saved({"state_dict": checkpoint["state_dict_diff"], "epoch": 1}, tmp_path, "last.ckpt")
    with caplog.at_level("INFO"):
        convert(checkpoint, tmp_path, diffae_checkpoint=other)
    assert "weights equal those of" in caplog.text


def test_diffae_checkpoint_with_another_weight_is_refused(checkpoint, tmp_path):
    changed = dict(checkpoint["state_dict_diff"])
    changed["ema_model.out.2.bias"] = changed["ema_model.out.2.bias"] + 1e-3
    other = saved({"state_dict": changed}, tmp_path, "last.ckpt")
    with pytest.raises(ValueError, match=r"received 1 of \d+ different: ema_model\.out\.2\.bias\. Choose"):
        convert(checkpoint, tmp_path, diffae_checkpoint=other)


@pytest.mark.parametrize("attention_resolutions", [(), (8,), (16, 4)])
def test_tables_name_every_weight_once_wherever_attention_stands(attention_resolutions):
    sizes = {"sample_size": 16, "block_out_channels": (8, 12, 16), "layers_per_block": 2, "norm_groups": 4}
    for name, kind in (("unet", UNet), ("semantic_encoder", SemanticEncoder)):
        network = on_meta(kind, sizes | {"attention_resolutions": attention_resolutions})
        table = official.rename_table(name, network)
        assert sorted(table.values()) == sorted(network.state_dict())


def test_doubling_blocks_stand_behind_attention():
    table = official.rename_table("unet", on_meta(UNet))
    assert len(table) == 590
    assert table["model.output_blocks.2.1.in_layers.0.weight"] == "up_blocks.2.upsample.norm_in.weight"
    assert table["model.output_blocks.5.1.qkv.weight"] == "up_blocks.5.attention.to_qkv.weight"
    assert table["model.output_blocks.5.2.out_layers.3.bias"] == "up_blocks.5.upsample.conv_out.bias"
