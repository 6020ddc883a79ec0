"""The networks behind the losses: sizes of the published ones, independent implementations, gradients, conventions."""

import pytest
import torch
import torch.nn.functional as F
from perception_networks import TINY_FARL, template_landmarks, tiny_images, tiny_perception_networks
from torch import nn

from diffusionact.perception.arcface import ArcFace
from diffusionact.perception.face_parsing import FaceParsing
from diffusionact.perception.farl import FaRL
from diffusionact.perception.vgg19 import VGG19Features

# Tensors and values of the published networks without counters and what is not used of them.
PUBLISHED_SIZES = {
    VGG19Features: (26, 12_944_960),
    ArcFace: (343, 43_824_064),
    FaceParsing: (148, 13_162_688),
    FaRL: (152, 86_192_640),
}


@pytest.fixture
def networks():
    return tiny_perception_networks()


def input_of_vgg(images):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((images + 1) / 2 - mean[:, None, None]) / std[:, None, None]


@pytest.mark.parametrize("network_class", PUBLISHED_SIZES, ids=lambda network_class: network_class.__name__)
def test_full_networks_have_the_size_of_the_published_files(network_class):
    with torch.device("meta"):
        state = network_class().state_dict()
    weights = [value for name, value in state.items() if not name.endswith("num_batches_tracked")]
    assert (len(weights), sum(value.numel() for value in weights)) == PUBLISHED_SIZES[network_class]


def test_vgg_equals_a_plain_sequence_of_layers_under_the_published_numbers(networks):
    layers, channels = nn.Sequential(), 3
    for width in (4, 4, "pool", 8, 8, "pool", 16, 16, 16, 16, "pool", 32, 32, 32, 32, "pool", 32):
        if width == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.extend([nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()])
            channels = width
    layers.load_state_dict({k.removeprefix("features."): v for k, v in networks["vgg19"].state_dict().items()})
    images = tiny_images()
    hidden, expected = input_of_vgg(images), []
    for number, layer in enumerate(layers):
        hidden = layer(hidden)
        if number in (1, 6, 11, 20, 29):  # relu1_1 to relu5_1
            expected.append(hidden)
    for ours, theirs in zip(networks["vgg19"](images), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_farl_equals_torchs_own_transformer_with_clips_activation(networks):
    farl, width = networks["farl"], TINY_FARL["width"]
    images = tiny_images(size=farl.input_size)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    patches = F.conv2d(((images + 1) / 2 - mean) / std, farl.conv1.weight, stride=16).flatten(2).transpose(1, 2)
    tokens = torch.cat([farl.class_embedding.expand(2, 1, -1), patches], dim=1) + farl.positional_embedding
    tokens = farl.ln_pre(tokens)
    for block in farl.transformer.resblocks:
        layer = nn.TransformerEncoderLayer(
            width, 1, 4 * width, 0.0, lambda x: x * torch.sigmoid(1.702 * x), batch_first=True, norm_first=True
        )
        renamed = {
            "attn": "self_attn",
            "ln_1": "norm1",
            "ln_2": "norm2",
            "mlp.c_fc": "linear1",
            "mlp.c_proj": "linear2",
        }
        state = block.state_dict()
        for old, new in renamed.items():
            state = {key.replace(f"{old}.", f"{new}.", 1): value for key, value in state.items()}
        layer.load_state_dict(state)
        tokens = layer(tokens)
    expected = farl.ln_post(tokens[:, 0]) @ farl.proj
    torch.testing.assert_close(farl(images), expected, atol=1e-5, rtol=1e-4)


def test_a_face_that_lies_in_the_template_is_embedded_as_it_is(networks):
    images = tiny_images(size=112)
    expected = F.normalize(networks["arcface"].embed_crops(images), dim=-1)
    torch.testing.assert_close(networks["arcface"](images, template_landmarks(112)), expected, atol=1e-4, rtol=1e-3)


def test_identity_does_not_depend_on_where_in_the_image_the_face_is(networks):
    face, canvas = tiny_images(size=112), torch.zeros(2, 3, 192, 192)
    canvas[:, :, 40:152, 60:172] = face
    landmarks = template_landmarks(112) + torch.tensor([60.0, 40.0])
    expected = networks["arcface"](face, template_landmarks(112))
    torch.testing.assert_close(networks["arcface"](canvas, landmarks), expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(expected.norm(dim=-1), torch.ones(2))


def test_the_gradient_reaches_the_images(networks):
    landmarks = template_landmarks(64)
    for read in (
        lambda x: torch.cat([level.flatten() for level in networks["vgg19"](x)]),
        lambda x: networks["arcface"](x, landmarks)[:, 0],
        networks["farl"],
    ):
        images = tiny_images().requires_grad_()
        read(images).sum().backward()
        assert images.grad.isfinite().all()
        assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(("chosen", "kept"), [(0, 1.0), (1, 0.0), (10, 0.0), (16, 0.0), (17, 1.0)])
def test_the_mask_keeps_background_and_hair_and_nothing_else(networks, chosen, kept):
    parsing = networks["face_parsing"]
    weight = parsing.conv_out.conv_out.weight.data
    weight.fill_(-1.0)  # features are at least 0, so the class with weights of 1 wins
    weight[chosen] = 1.0
    mask = parsing(tiny_images(size=40))
    torch.testing.assert_close(mask, torch.full((2, 1, 40, 40), kept))


def test_the_mask_follows_the_scores_and_has_no_gradient(networks):
    images = tiny_images().requires_grad_()
    mask = networks["face_parsing"](images)
    classes = networks["face_parsing"].scores(images).argmax(1, keepdim=True)
    assert not mask.requires_grad
    assert classes.unique().numel() > 1
    torch.testing.assert_close(mask.bool(), (classes == 0) | (classes == 17))


def test_batches_of_two_equal_single_images(networks):
    images, landmarks = tiny_images(), template_landmarks(64)
    for read in (networks["farl"], networks["face_parsing"].scores, lambda x: networks["vgg19"](x)[-1]):
        torch.testing.assert_close(read(images)[1:], read(images[1:]), atol=1e-5, rtol=1e-4)
    both = networks["arcface"](images, landmarks)
    torch.testing.assert_close(both[1:], networks["arcface"](images[1:], landmarks[1:]), atol=1e-5, rtol=1e-4)
