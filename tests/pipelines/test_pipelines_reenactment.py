"""The pipeline with tiny random networks on a real face."""

import pickle
from dataclasses import replace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from tiny_model import make_tiny_components

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.face.errors import NoFaceFoundError
from diffusionact.generation import PipelineConfig, Sampling
from diffusionact.types import concatenate


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline(make_tiny_components())


@pytest.fixture(scope="module")
def source(pipeline, portrait):
    return pipeline.encode_source(portrait)


def moving(portrait, count):
    """The portrait, moved sideways a little more in every frame."""
    return torch.stack([torch.roll(portrait, 3 * index, dims=1) for index in range(count)])


def test_a_source_is_aligned_and_inverted_at_the_models_size(pipeline, source):
    size = pipeline.sample_size
    assert source.image.shape == source.stochastic_code.shape == (1, 3, size, size)
    assert source.semantic_code.shape == (1, pipeline.unet.config.semantic_dim)
    assert source.crop.size == size
    assert torch.isfinite(source.stochastic_code).all()


def test_stream_gives_the_same_frames_for_every_chunk_size(pipeline, source, portrait):
    frames = moving(portrait, 5)
    one = torch.cat([frame.image for frame in pipeline.stream(source, frames, chunk_size=1)])
    many = torch.cat([frame.image for frame in pipeline.stream(source, frames, chunk_size=4)])
    assert one.shape == (5, 3, pipeline.sample_size, pipeline.sample_size)
    torch.testing.assert_close(one, many, atol=1e-4, rtol=0)
    assert (one[0] - one[-1]).abs().max() > 1e-4, "the driver's movement must reach the output"


def test_stream_reads_no_further_than_its_chunk(pipeline, source, portrait):
    read = []

    def driving():
        for index, frame in enumerate(moving(portrait, 40)):
            read.append(index)
            yield frame

    stream = pipeline.stream(source, driving(), chunk_size=2)
    next(stream)
    assert len(read) < 40


def test_steps_by_hand_equal_the_stream(pipeline, source, portrait):
    frames = moving(portrait, 3)
    pose = pipeline.extract_pose(frames, source)
    by_hand = pipeline.decode(source, pipeline.reenact(source, pose))
    streamed = list(pipeline.stream(source, frames))
    torch.testing.assert_close(by_hand, torch.cat([frame.image for frame in streamed]), atol=1e-4, rtol=0)
    torch.testing.assert_close(pose.landmarks, concatenate([frame.pose for frame in streamed]).landmarks)


def test_relative_motion_against_the_same_frame_keeps_the_sources_own_pose(pipeline, source, portrait):
    frames = moving(portrait, 2)
    options = PoseOptions(relative=True, smoothing=0.0)
    pose = pipeline.extract_pose(frames[:1].repeat(2, 1, 1, 1), source, options)
    own = pipeline.extract_pose(portrait[None], source, PoseOptions(smoothing=0.0))
    torch.testing.assert_close(pose.landmarks[0], own.landmarks[0], atol=0.1, rtol=0)
    torch.testing.assert_close(pose.landmarks[0], pose.landmarks[1])


def test_the_official_landmark_frame_is_the_tight_crop_drawn_as_it_is(portrait):
    components = make_tiny_components(256)
    official = DiffusionActPipeline(replace(components, config=replace(components.config, landmark_frame="crop224")))
    source = official.encode_source(portrait)
    landmarks = official.extract_pose(portrait[None], source, PoseOptions(smoothing=0.0)).landmarks[0]
    low, high = landmarks.amin(dim=0), landmarks.amax(dim=0)
    # The crop is centred on the face's box and 1.375 times its mean side, on 224 px.
    torch.testing.assert_close((low + high) / 2, torch.full((2,), 112.0), atol=8, rtol=0)
    assert abs(float((high - low).mean()) - 224 / 1.375) < 16


@pytest.mark.parametrize(("landmark_frame", "tolerance_px"), [("aligned", 0.01), ("crop224", 4.0)])
def test_relative_motion_of_a_still_stranger_moves_nothing(portrait, landmark_frame, tolerance_px):
    config = PipelineConfig(landmark_frame=landmark_frame, num_inference_steps=2, num_inversion_steps=2)
    pipeline = DiffusionActPipeline(replace(make_tiny_components(), config=config))
    source = pipeline.encode_source(portrait)
    stranger = portrait[:, ::3].repeat_interleave(2, dim=1)[None]  # a face a third narrower that looks elsewhere
    own = pipeline.extract_pose(portrait[None], source, PoseOptions(smoothing=0.0))
    moved = pipeline.extract_pose(stranger, source, PoseOptions(relative=True, smoothing=0.0))
    torch.testing.assert_close(moved.gaze, own.gaze, atol=1e-4, rtol=0)
    assert (moved.landmarks - own.landmarks).norm(dim=-1).mean() < tolerance_px


def test_a_reference_frame_beyond_the_clip_is_refused(pipeline, source, portrait):
    with pytest.raises(ValueError, match="reference_frame"):
        pipeline.extract_pose(portrait[None], source, PoseOptions(relative=True, reference_frame=7))


def test_an_empty_clip_is_refused(pipeline, source):
    with pytest.raises(ValueError, match="at least one frame"):
        pipeline.extract_pose([], source)


def test_an_image_without_a_face_is_refused(pipeline):
    with pytest.raises(NoFaceFoundError):
        pipeline.encode_source(torch.full((128, 128, 3), 127, dtype=torch.uint8))


def test_decode_accepts_a_scheduler_of_diffusers(pipeline, source):
    solver = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    frames = pipeline.decode(source, source.semantic_code, 4, solver)
    assert torch.isfinite(frames).all()
    other = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, prediction_type="epsilon")
    with pytest.raises(ValueError, match="prediction_type"):
        pipeline.decode(source, source.semantic_code, 4, other)


def test_every_unet_call_is_reported(pipeline, source):
    calls = []
    codes = source.semantic_code.repeat(3, 1)
    pipeline.decode(source, codes, 2, chunk_size=2, on_step=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_saved_pipeline_renders_the_same(pipeline, source, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    loaded = DiffusionActPipeline.from_pretrained(tmp_path / "model", dtype=torch.float32)
    assert loaded.fingerprint == pipeline.fingerprint
    assert loaded.config == pipeline.config
    torch.testing.assert_close(
        loaded.decode(source, source.semantic_code), pipeline.decode(source, source.semantic_code)
    )


def test_what_is_set_on_the_pipeline_reaches_its_engine(portrait):
    pipeline = DiffusionActPipeline(make_tiny_components())
    source = pipeline.encode_source(portrait)
    before = pipeline.decode(source, source.semantic_code, 4)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    assert pipeline.engine.scheduler is pipeline.scheduler
    assert not torch.equal(pipeline.decode(source, source.semantic_code, 4), before)


def test_a_pipeline_can_be_copied(pipeline, source):
    copied = pickle.loads(pickle.dumps(pipeline))  # noqa: S301 - our own
    assert torch.equal(copied.decode(source, source.semantic_code), pipeline.decode(source, source.semantic_code))


def test_jobs_do_not_disturb_each_others_scheduler(pipeline, source):
    whole = pipeline.decode(source, source.semantic_code, 4)

    def disturb(done, total):
        pipeline.engine.check_sampling(Sampling(7))

    assert torch.equal(pipeline.decode(source, source.semantic_code, 4, on_step=disturb), whole)


def test_a_source_of_another_engine_is_rejected(pipeline, source):
    other = replace(source, codes={"image": source.image})
    with pytest.raises(ValueError, match=r"engine 'diffusion'.*without stochastic_code"):
        pipeline.decode(other, source.semantic_code)
