"""Decoding that begins at the warped source, with tiny networks."""

from dataclasses import replace

import pytest
import torch
from tiny_model import make_tiny_components

from diffusionact import DiffusionActPipeline
from diffusionact.commands.loading import with_warm_start
from diffusionact.generation import Conditioning, DiffusionEngine, Sampling
from diffusionact.generation.sampling import sample_from_images
from diffusionact.generation.warm_start import WarmStartEngine
from diffusionact.pipelines.group_clip import OWN, ClipCast, stream_group_clip
from diffusionact.pipelines.source_video import no_driver, stream_source_video
from diffusionact.schedulers import DDIMScheduler, make_scheduler


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline(WarmStartEngine(DiffusionEngine(make_tiny_components()), 0.5))


@pytest.fixture(scope="module")
def source(pipeline, portrait):
    return pipeline.encode_source(portrait)


@pytest.mark.parametrize("name", ["ddim", "dpm", "unipc"])
def test_a_sampler_that_knows_the_image_keeps_it_from_the_middle_on(name):
    """A model that predicts the noise in x_t exactly leads back to the image, whatever part is skipped."""
    image, noise = torch.rand(2, 3, 4, 4) - 0.5, torch.randn(2, 3, 4, 4)
    scheduler, calls = make_scheduler(name, DDIMScheduler(clip_sample=False).config), []

    def model(x_t, timestep, conditioning):
        calls.append(int(timestep))
        return noise

    conditioning = Conditioning({"rows": torch.zeros(2)})
    images = sample_from_images(model, scheduler, image, noise, conditioning, 10, 6)
    assert len(calls) == 4 and calls == sorted(calls, reverse=True) and calls[0] < 500
    torch.testing.assert_close(images, image, atol=2e-2 if name != "ddim" else 1e-5, rtol=0)


def test_half_of_the_calls_are_left_and_frames_follow_chunks_or_not(pipeline, source, portrait):
    driving = torch.stack([torch.roll(portrait, 4 * index, dims=1) for index in range(3)])
    assert pipeline.engine.steps_per_frame(Sampling(20)) == 10
    assert pipeline.engine.steps_per_frame(Sampling(1)) == 1
    steps = {"num_inference_steps": 4}
    one = torch.cat([frame.image for frame in pipeline.stream(source, driving, chunk_size=1, **steps)])
    all_at_once = torch.cat([frame.image for frame in pipeline.stream(source, driving, chunk_size=3, **steps)])
    assert one.shape == (3, 3, pipeline.sample_size, pipeline.sample_size)
    torch.testing.assert_close(one, all_at_once, atol=1e-4, rtol=0)


def test_near_the_end_of_the_schedule_frames_are_the_warped_source(pipeline, source, portrait):
    pose = pipeline.extract_pose(portrait[None], source)
    late = WarmStartEngine(pipeline.engine, 0.95)
    conditioning = Conditioning(late.condition(source, pose))
    warped = late.warp.render(source, conditioning, Sampling())
    near = (late.render(source, conditioning, Sampling(50)) - warped).abs().mean()
    far = (pipeline.engine.render(source, conditioning, Sampling(50)) - warped).abs().mean()
    assert near < 0.1 and near < far


def test_faces_of_clips_are_pasted_back(pipeline, portrait):
    """Their sources can be warped, but the whole frame is not the engine's to move."""
    few = {"sampling": Sampling(2), "num_inversion_steps": 2}
    (one,) = stream_source_video(pipeline, [portrait], no_driver(), **few)
    (group,) = stream_group_clip(pipeline, [portrait], ClipCast({0: OWN}), {OWN: no_driver()}, **few)
    changed = (one.image.float() - portrait).abs().amax(-1)
    assert changed.max() > 8 and changed[0, 0] == 0
    assert (one.image.float() - group.image).abs().mean() < 1


def test_a_source_without_the_warp_and_a_wrong_share_are_rejected(pipeline, source, portrait):
    codes = {name: source.codes[name] for name in ("semantic_code", "stochastic_code")}
    with pytest.raises(ValueError, match="Expected"):
        pipeline.reenact(replace(source, codes=codes), pipeline.extract_pose(portrait[None], source))
    with pytest.raises(ValueError, match="share of the schedule"):
        WarmStartEngine(pipeline.engine, 1.0)
    with pytest.raises(ValueError, match="takes no steps"):
        with_warm_start(pipeline.with_engine(pipeline.engine.warp), 0.5)
    assert with_warm_start(pipeline, 0.25).engine.share == 0.25


def test_the_official_model_is_told_to_be_unmeasured(caplog):
    components = make_tiny_components()
    official = replace(components, config=replace(components.config, landmark_frame="crop224"))
    WarmStartEngine(DiffusionEngine(official), 0.5)
    assert "not been measured with the official model" in caplog.text
