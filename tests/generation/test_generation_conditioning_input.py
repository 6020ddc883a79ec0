"""A UNet with one input more, and an engine that fills it: nothing between the two has to know."""

from dataclasses import replace

import torch
from tiny_model import make_tiny_components

from diffusionact import DiffusionActPipeline, PoseOptions, UNet
from diffusionact.generation import DiffusionEngine

FRAMES = 3


class GuidedUNet(UNet):
    """A UNet that adds a drawn map to its input; without one it is the plain UNet."""

    def forward(self, sample, timestep, semantic_code, return_dict=True, drawn=None):
        if drawn is not None:
            self.seen.append(len(drawn))
            sample = sample + 0.1 * drawn.to(sample)
        return super().forward(sample, timestep, semantic_code, return_dict)


class GuidedEngine(DiffusionEngine):
    """The diffusion engine, with the landmark map as one more tensor of the conditioning."""

    def condition(self, source, pose):
        return {**super().condition(source, pose), "drawn": self.landmark_map(pose)}


def guided_components():
    components = make_tiny_components()
    unet = GuidedUNet.from_config(components.unet.config)
    unet.load_state_dict(components.unet.state_dict())
    unet.seen = []
    return replace(components, unet=unet, inversion_unet=unet)


def images(engine, portrait, chunk_size):
    pipeline = DiffusionActPipeline(engine)
    source = pipeline.encode_source(portrait)
    driving = torch.stack([torch.roll(portrait, 3 * index, dims=1) for index in range(FRAMES)])
    options = PoseOptions(smoothing=0.0)
    return torch.cat([frame.image for frame in pipeline.stream(source, driving, options, chunk_size=chunk_size)])


def test_a_new_conditioning_input_reaches_the_unet_in_chunks(portrait):
    components = guided_components()
    with_input = images(GuidedEngine(components), portrait, chunk_size=2)
    assert components.unet.seen == [2, 2, 1, 1]  # two steps for each chunk of the frames; the inversion has none
    torch.testing.assert_close(images(GuidedEngine(guided_components()), portrait, chunk_size=3), with_input)


def test_the_new_input_changes_the_images(portrait):
    plain = images(DiffusionEngine(guided_components()), portrait, chunk_size=3)
    guided = images(GuidedEngine(guided_components()), portrait, chunk_size=3)
    assert plain.shape == guided.shape
    assert (plain - guided).abs().mean() > 1e-3
