"""The generator gives the official code's outputs, layer by layer; reference data in ../shared/golden_fd."""

import numpy as np
import pytest
import torch
from directions_rule import load_by_rule, official_state
from official_rule import normal_input

from diffusionact.conversion.directions_names import generator_names
from diffusionact.models import StyleGAN2
from diffusionact.models.resampling import blur_kernel, doubled, filter_resampled
from diffusionact.models.stylegan2 import ModulatedConvolution

TINY = {"channels": (8, 8, 6, 4), "style_dim": 16, "mapping_layers": 2}


@pytest.fixture(scope="module")
def tiny(golden_fd):
    """The official small generator with weights by rule, and the reference file."""
    golden = np.load(golden_fd / "tiny.npz")
    generator = load_by_rule(StyleGAN2(**TINY), generator_names, official_state(golden_fd / "manifests.json", "tiny"))
    generator.mean_latent.copy_(torch.from_numpy(golden["mean_latent"]))
    return generator, golden


@pytest.mark.parametrize(
    "up, down, pad",
    [(1, 1, (1, 1)), (1, 1, (2, 1)), (2, 1, (2, 1)), (1, 2, (1, 1)), (1, 2, (2, 2)), (2, 2, (0, 3)), (1, 1, (-1, 2))],
)
def test_resampling_is_the_official_operator(golden_fd, compare, up, down, pad):
    golden = np.load(golden_fd / "ops.npz")
    x, kernel = torch.from_numpy(golden["x"]), torch.from_numpy(golden["kernel"])
    name = f"up{up}_down{down}_pad{'_'.join(str(side) for side in pad)}".replace("-", "m")
    compare(f"upfirdn2d {name}", filter_resampled(x, kernel, up, down, pad), golden[f"upfirdn_{name}"], 1e-5)


def test_doubling_is_the_official_one(golden_fd, compare):
    golden = np.load(golden_fd / "ops.npz")
    assert torch.equal(blur_kernel(gain=4.0), torch.from_numpy(golden["upsample_kernel"]))
    compare("upsample", doubled(torch.from_numpy(golden["x"])), golden["upsample"], 1e-5)


@pytest.mark.parametrize("name, options", [("plain", {}), ("up", {"up": True}), ("nodemod", {"demodulate": False})])
def test_modulated_convolution_is_the_official_one(golden_fd, compare, name, options):
    golden = {key: torch.from_numpy(array) for key, array in np.load(golden_fd / "ops.npz").items()}
    weight = golden[f"modconv_{name}_weight"][0]
    layer = ModulatedConvolution(3, 4, weight.shape[-1], 5, **options)
    layer.weight.data = weight
    layer.modulation.weight.data = golden[f"modconv_{name}_mod_weight"]
    layer.modulation.bias.data = golden[f"modconv_{name}_mod_bias"]
    with torch.no_grad():
        compare(f"modulated convolution, {name}", layer(golden["x"], golden["style"]), _array(golden, name), 1e-5)


def _array(golden, name):
    return golden[f"modconv_{name}"].numpy()


@torch.no_grad()
def test_every_layer_of_the_small_generator_is_official(tiny, compare):
    generator, golden = tiny
    seen = {}
    for index, layer in enumerate(generator.layers):
        name = f"layer/convs.{index - 1}.activate" if index else "layer/conv1.activate"
        layer.register_forward_hook(lambda module, inputs, output, name=name: seen.__setitem__(name, output))
    generator(generator.truncate(torch.from_numpy(golden["w_plus"]), 0.7))
    for name, output in seen.items():
        compare(name, output, golden[name], 2e-5)
    assert len(seen) == 7


@torch.no_grad()
def test_images_of_the_small_generator_are_official(tiny, compare):
    generator, golden = tiny
    w_plus = torch.from_numpy(golden["w_plus"])
    w = generator.mapping(torch.from_numpy(golden["z"]))
    compare("tiny mapping", w, golden["w"], 5e-5)
    compare("tiny image of W+", generator(generator.truncate(w_plus, 0.7)), golden["image_from_w_plus"], 2e-5)
    compare("tiny image, no truncation", generator(w_plus), golden["image_no_truncation"], 2e-5)
    image = generator(generator.truncate(w[:, None].expand(-1, 8, -1), 0.7))
    compare("tiny image of z", image, golden["image_from_z"], 2e-5)


@torch.no_grad()
@pytest.mark.parametrize("layer", range(1, 7))
def test_a_feature_shift_goes_in_after_its_layer(tiny, golden_fd, compare, layer):
    generator, golden = tiny
    features = np.load(golden_fd / "feature.npz")
    name = f"tiny_convs{layer - 1}"
    w_plus = generator.truncate(torch.from_numpy(golden["w_plus"]), 0.7)
    image = generator(w_plus, {layer: torch.from_numpy(features[f"{name}_delta"])})
    compare(f"feature shift, {name}", image, features[f"{name}_image"], 2e-5)


@torch.no_grad()
def test_a_batch_equals_its_images_one_by_one():
    torch.manual_seed(0)
    generator = StyleGAN2(**TINY)
    w_plus = torch.randn(3, 8, 16)
    singles = torch.cat([generator(row[None]) for row in w_plus])
    torch.testing.assert_close(generator(w_plus), singles, atol=1e-5, rtol=0)


def test_the_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    generator = StyleGAN2(**TINY)
    generator(generator.mapping(torch.randn(2, 16))[:, None].expand(-1, 8, -1)).square().sum().backward()
    assert [name for name, value in generator.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_mean_latent_is_the_same_for_the_same_seed():
    torch.manual_seed(0)
    generator = StyleGAN2(**TINY)
    mean = generator.sampled_mean_latent(1000, chunk=300)
    torch.testing.assert_close(mean, generator.sampled_mean_latent(1000, chunk=1000))
    with torch.no_grad():
        z = torch.randn(20_000, 16)
        torch.testing.assert_close(mean, generator.mapping(z).mean(0, keepdim=True), atol=0.1, rtol=0)


@pytest.mark.slow
@torch.inference_mode()
def test_the_full_generator_gives_the_official_images(golden_fd, compare):
    state = official_state(golden_fd / "manifests.json", "g_ema_voxceleb256")
    generator = load_by_rule(StyleGAN2(), generator_names, state)
    mapping = np.load(golden_fd / "mapping.npz")
    compare("mapping", generator.mapping(torch.from_numpy(mapping["z"])), mapping["w"], 5e-5)
    mean = generator.mapping(normal_input("input/mean_z", (64, 512))).mean(0, keepdim=True)
    compare("mean latent", mean, mapping["mean_latent"], 5e-5)
    generator.mean_latent.copy_(mean)
    golden = np.load(golden_fd / "generator.npz")
    w_plus = generator.truncate(torch.from_numpy(golden["w_plus"]), 0.7)
    images = generator(w_plus)
    compare("generator, 256 px", images[:1], golden["image0"], 5e-5)
    compare("generator, 256 px, second code", images[1:, :, ::2, ::2], golden["image1_s2"], 5e-5)
