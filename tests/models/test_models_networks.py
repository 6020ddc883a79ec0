"""UNet, semantic encoder and reenactment encoder at tiny sizes."""

import pytest
import torch
from tiny_model import SEMANTIC_DIM, make_tiny_encoder, make_tiny_unet

from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet

SIZE = 16


def unet_inputs(batch: int = 2, size: int = SIZE) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    x_t = torch.randn(batch, 3, size, size, generator=generator)
    code = torch.randn(batch, SEMANTIC_DIM, generator=generator)
    return x_t, torch.linspace(0, 999, batch).long(), code


def encoder_inputs(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(8)
    return tuple(torch.rand(batch, 3, SIZE, SIZE, generator=generator) * 2 - 1 for _ in range(2))


def fresh_unet(**changes) -> UNet:
    """A tiny UNet as training starts it, with its zero-initialised layers."""
    torch.manual_seed(0)
    return UNet.from_config(dict(make_tiny_unet(SIZE).config) | changes)


@pytest.mark.parametrize("patch_size", [1, 2, 4])
def test_unet_answers_in_the_shape_of_its_sample(patch_size):
    unet = make_tiny_unet(SIZE, patch_size)
    x_t, timesteps, code = unet_inputs()
    assert unet(x_t, timesteps, code).sample.shape == x_t.shape
    assert unet.conv_in.in_channels == 3 * patch_size**2


def test_unet_takes_timesteps_as_number_or_tensor():
    unet = make_tiny_unet(SIZE)
    x_t, _, code = unet_inputs()
    expected = unet(x_t, torch.tensor([500, 500]), code).sample
    for timestep in (500, torch.tensor(500), torch.tensor([500])):
        assert torch.equal(unet(x_t, timestep, code, return_dict=False)[0], expected)


def test_unet_listens_to_time_and_code():
    unet = make_tiny_unet(SIZE)
    x_t, _, code = unet_inputs()
    answer = unet(x_t, 100, code).sample
    assert (unet(x_t, 900, code).sample - answer).abs().mean() > 1e-3
    assert (unet(x_t, 100, code.flip(0)).sample - answer).abs().mean() > 1e-3


@pytest.mark.parametrize("kind", [SemanticEncoder, ReenactmentEncoder])
@pytest.mark.parametrize("patch_size", [1, 2])
def test_encoders_give_one_code_an_image(kind, patch_size):
    encoder = make_tiny_encoder(kind, SIZE, patch_size)
    inputs = encoder_inputs()[: 2 if kind is ReenactmentEncoder else 1]
    assert encoder(*inputs).shape == (2, SEMANTIC_DIM)


def test_a_pooling_grid_keeps_where_things_are():
    image = encoder_inputs(1)[0]
    sizes = {"sample_size": SIZE, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_groups": 4}
    torch.manual_seed(0)
    encoder = SemanticEncoder(**sizes, semantic_dim=SEMANTIC_DIM, pool_size=4)
    assert encoder.projection.kernel_size == (4, 4)
    assert encoder(image).shape == (1, SEMANTIC_DIM)


def test_fresh_unet_is_silent_and_fresh_branches_are_neutral():
    unet = fresh_unet()
    x_t, timesteps, code = unet_inputs()
    assert torch.equal(unet(x_t, timesteps, code).sample, torch.zeros_like(x_t))
    block = unet.down_blocks[0].residual
    features = torch.randn(1, 8, 8, 8)
    assert torch.equal(block(features, torch.randn(1, 16), torch.randn(1, SEMANTIC_DIM)), features)
    attention = unet.middle_block.attention
    tokens = torch.randn(1, 16, 4, 4)
    assert torch.equal(attention(tokens), tokens)


def test_fresh_reenactment_encoder_is_the_semantic_encoder_it_starts_from():
    semantic = make_tiny_encoder(SemanticEncoder, SIZE)
    reenactment = ReenactmentEncoder.from_semantic_encoder(semantic)
    image, landmark_map = encoder_inputs()
    assert torch.equal(reenactment(image, landmark_map), semantic(image))
    semantic.conv_in.weight.data.zero_()
    assert reenactment.encoder.conv_in.weight.abs().sum() > 0, "the weights must be copies"


def test_landmark_map_changes_the_code():
    encoder = make_tiny_encoder(ReenactmentEncoder, SIZE)
    image, landmark_map = encoder_inputs()
    assert (encoder(image, landmark_map) - encoder(image, -landmark_map)).abs().mean() > 1e-4


@pytest.mark.parametrize("network", ["unet", "semantic", "reenactment"])
def test_gradient_reaches_every_parameter(network):
    if network == "unet":
        model, inputs = make_tiny_unet(SIZE), unet_inputs()
        loss = model(*inputs).sample.square().mean()
    else:
        model = make_tiny_encoder(SemanticEncoder if network == "semantic" else ReenactmentEncoder, SIZE)
        inputs = encoder_inputs()[: 2 if network == "reenactment" else 1]
        loss = model(*inputs).square().mean()
    loss.backward()
    silent = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("network", ["unet", "reenactment"])
def test_gradient_checkpointing_gives_the_same_gradients(network):
    gradients = []
    for checkpointing in (False, True):
        model = make_tiny_unet(SIZE) if network == "unet" else make_tiny_encoder(ReenactmentEncoder, SIZE)
        model.train()
        if checkpointing:
            model.enable_gradient_checkpointing()
        answer = model(*unet_inputs()).sample if network == "unet" else model(*encoder_inputs())
        answer.square().mean().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed, atol=1e-7, rtol=1e-5)


def test_a_batch_gives_what_single_images_give():
    unet, encoder = make_tiny_unet(SIZE), make_tiny_encoder(ReenactmentEncoder, SIZE)
    x_t, timesteps, code = unet_inputs(3)
    singles = [unet(x_t[i : i + 1], timesteps[i : i + 1], code[i : i + 1]).sample for i in range(3)]
    torch.testing.assert_close(unet(x_t, timesteps, code).sample, torch.cat(singles), atol=1e-5, rtol=0)
    image, landmark_map = encoder_inputs(3)
    singles = [encoder(image[i : i + 1], landmark_map[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(encoder(image, landmark_map), torch.cat(singles), atol=1e-5, rtol=0)


def test_channels_last_and_bfloat16_run_and_stay_close():
    x_t, timesteps, code = unet_inputs()
    expected = make_tiny_unet(SIZE)(x_t, timesteps, code).sample
    last = make_tiny_unet(SIZE).to(memory_format=torch.channels_last)
    answer = last(x_t.to(memory_format=torch.channels_last), timesteps, code).sample
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=0)
    half = make_tiny_unet(SIZE).bfloat16()(x_t.bfloat16(), timesteps, code.bfloat16()).sample
    assert half.dtype == torch.bfloat16
    assert (half.float() - expected).norm() < 0.05 * expected.norm()


def arguments(network) -> dict[str, object]:
    return {name: value for name, value in network.config.items() if not name.startswith("_")}


def list_of(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("kind", [UNet, SemanticEncoder, ReenactmentEncoder])
def test_save_and_load_keep_config_and_weights(kind, tmp_path):
    network = make_tiny_unet(SIZE) if kind is UNet else make_tiny_encoder(kind, SIZE)
    network.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    # JSON turns tuples into lists.
    assert all(list_of(again.config[name]) == list_of(value) for name, value in arguments(network).items())
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())


def test_default_arguments_are_the_official_networks():
    counts = {UNet: 138_341_891, SemanticEncoder: 30_150_400, ReenactmentEncoder: 30_150_412}
    for kind, expected in counts.items():
        with torch.device("meta"):
            assert sum(parameter.numel() for parameter in kind().parameters()) == expected


def test_a_guide_is_neutral_at_the_start_and_gets_a_gradient():
    unet = make_tiny_unet(SIZE)
    config = {name: value for name, value in unet.config.items() if not name.startswith("_")}
    guided = UNet.from_config(config | {"guide_channels": 2}).eval()
    guided.load_state_dict(unet.state_dict(), strict=False)
    inputs, guide = unet_inputs(), torch.rand(2, 2, SIZE, SIZE)
    answer = guided(*inputs, guide=guide).sample
    assert torch.equal(answer, unet(*inputs).sample)
    answer.square().mean().backward()
    assert guided.guide_in.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="guide of 2 channels beside the sample, received one of 0"):
        guided(*inputs)
    with pytest.raises(ValueError, match="guide of 0 channels beside the sample, received one of 2"):
        unet(*inputs, guide=guide)
