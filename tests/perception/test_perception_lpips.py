"""LPIPS of files: torchvision's layers, the package's distances, a distance of zero for equal images."""

import pytest
import torch
from perception_networks import TINY_LPIPS_WIDTH, tiny_images, tiny_learnt_weights, tiny_perception_networks
from torch import nn

from diffusionact.conversion.published_networks import read_network_file
from diffusionact.metrics.perceptual_distance import lpips
from diffusionact.perception.lpips import ActivationMaps, LearntWeights, Lpips, LpipsFeatures
from diffusionact.perception.lpips_files import load_lpips, load_lpips_features

FILES = {"alex": ("alexnet", "lpips-alex"), "vgg": ("vgg16", "lpips-vgg")}
# Layers as torchvision builds them: widths, "pool", for AlexNet with kernel, stride and padding.
ALEX = [(1, 11, 4, 2), "pool", (3, 5, 1, 2), "pool", (6, 3, 1, 1), (4, 3, 1, 1), (4, 3, 1, 1)]
VGG = [1, 1, "pool", 2, 2, "pool", 4, 4, 4, "pool", 8, 8, 8, "pool", 8, 8, 8]


def plain_network(backbone: str, width: int) -> nn.Sequential:
    """An independent AlexNet or VGG16: a plain sequence of layers."""
    layers, channels = nn.Sequential(), 3
    for layer in ALEX if backbone == "alex" else VGG:
        if layer == "pool":
            layers.append(nn.MaxPool2d(3 if backbone == "alex" else 2, 2))
            continue
        multiple, *sizes = layer if backbone == "alex" else (layer, 3, 1, 1)
        layers.extend([nn.Conv2d(channels, width * multiple, *sizes), nn.ReLU()])
        channels = width * multiple
    return layers


def plain_lpips(backbone: str, maps: ActivationMaps, learnt: LearntWeights, first, second) -> torch.Tensor:
    """LPIPS from its definition."""
    layers = plain_network(backbone, TINY_LPIPS_WIDTH)
    layers.load_state_dict({k.removeprefix("features."): v for k, v in maps.state_dict().items()})
    taps = (1, 4, 7, 9, 11) if backbone == "alex" else (3, 8, 15, 22, 29)  # ReLUs
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    total, layer_index = torch.zeros(len(first)), 0
    hidden = [(images - shift[:, None, None]) / scale[:, None, None] for images in (first, second)]
    for number, layer in enumerate(layers):
        hidden = [layer(maps) for maps in hidden]
        if number in taps:
            unit = [maps / (maps.norm(dim=1, keepdim=True) + 1e-10) for maps in hidden]
            weight = learnt.state_dict()[f"lin{layer_index}.model.1.weight"]
            total = total + nn.functional.conv2d((unit[0] - unit[1]) ** 2, weight).mean((1, 2, 3))
            layer_index += 1
    assert layer_index == 5
    return total


@pytest.fixture
def networks():
    return tiny_perception_networks()


@pytest.mark.parametrize("backbone", FILES)
def test_distances_are_those_of_the_definition(networks, backbone):
    maps, learnt = (networks[name] for name in FILES[backbone])
    first, second = tiny_images(), tiny_images().flip(0)
    ours = lpips(first, second, Lpips(LpipsFeatures(maps, learnt)))
    torch.testing.assert_close(ours, plain_lpips(backbone, maps, learnt, first, second), atol=1e-5, rtol=1e-4)
    assert (ours > 0.01).all()


@pytest.mark.parametrize("backbone", FILES)
def test_distances_are_those_of_the_package(backbone):
    package = pytest.importorskip("lpips", reason="lpips (the published package, for comparison) is absent")
    torch.manual_seed(0)
    theirs = package.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()
    layers = [layer for layer in theirs.net.modules() if isinstance(layer, nn.Conv2d)]
    maps = ActivationMaps(backbone)
    for ours, layer in zip(maps.features.values(), layers, strict=True):
        ours.load_state_dict(layer.state_dict())
    learnt = LearntWeights.from_state(
        {k: v for k, v in theirs.state_dict().items() if k.startswith("lin") and "s." not in k}
    )
    assert all((value >= 0).all() for value in learnt.state_dict().values())
    first, second = tiny_images(), tiny_images().flip(0)
    ours = Lpips(LpipsFeatures(maps, learnt))(first, second)
    torch.testing.assert_close(ours, theirs(first, second).flatten(), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("backbone", "values"), [("alex", 2_469_696), ("vgg", 14_714_688)])
def test_full_networks_have_the_size_of_the_published_files(backbone, values):
    with torch.device("meta"):
        assert sum(value.numel() for value in ActivationMaps(backbone).parameters()) == values


@pytest.mark.parametrize("backbone", FILES)
def test_equal_images_have_no_distance_and_black_ones_a_finite_gradient(networks, backbone):
    network = Lpips(LpipsFeatures(*(networks[name] for name in FILES[backbone])))
    assert torch.equal(network(tiny_images(), tiny_images()), torch.zeros(2))
    for parameter in network.parameters():
        if parameter.ndim == 1:
            parameter.data.fill_(-10.0)  # biases below zero: the activations are vectors of zeros
    images = tiny_images().requires_grad_()
    network(images, tiny_images().flip(0)).sum().backward()
    assert images.grad.isfinite().all()


def test_weights_of_another_backbone_are_rejected(networks):
    with pytest.raises(ValueError, match="^Expected LPIPS's weights .*received .*alex.pth with AlexNet"):
        LpipsFeatures(networks["alexnet"], tiny_learnt_weights("vgg"))


def write_files(folder, networks, backbone):
    names = {"alexnet": "alexnet-owt-7be5be79", "vgg16": "vgg16-397923af", "lpips-alex": "alex", "lpips-vgg": "vgg"}
    for name in FILES[backbone]:
        torch.save(networks[name].state_dict(), folder / f"{names[name]}.pth")


@pytest.mark.parametrize("backbone", FILES)
def test_the_metric_takes_the_files_of_the_weights_folder(networks, tmp_path, monkeypatch, backbone):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    write_files(tmp_path, networks, backbone)
    network = load_lpips(backbone, read_network_file)
    expected = Lpips(LpipsFeatures(*(networks[name] for name in FILES[backbone])))
    first, second = tiny_images(), tiny_images().flip(0)
    torch.testing.assert_close(lpips(first, second, network), lpips(first, second, expected))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_lpips_without_its_files_says_which_to_bring_and_how(networks, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    words = "^Expected alexnet-owt-7be5be79.pth .* and alex.pth .*received .*without alexnet and lpips-alex. Run"
    with pytest.raises(FileNotFoundError, match=words) as caught:
        load_lpips("alex")
    for command in ("weights fetch alexnet", "weights fetch lpips-alex", "weights import"):
        assert f"`diffusionact {command}`" in str(caught.value)
    with pytest.raises(FileNotFoundError, match="alexnet-owt-7be5be79.pth .*BSD-3-Clause.*for LPIPS"):
        load_lpips_features("alex")
    with pytest.raises(ValueError, match="squeeze"):
        load_lpips("squeeze")


def test_published_lpips_files_must_be_imported_without_a_reader(networks, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    write_files(tmp_path, networks, "alex")
    with pytest.raises(ValueError, match="^Expected AlexNet as `diffusionact weights import` .*Import it first"):
        load_lpips("alex")
