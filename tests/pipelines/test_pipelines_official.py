"""The official procedure, step by step with tiny networks; the full-size loops are in tests/conversion."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_model import make_tiny_components
from tiny_official import make_tiny_official, make_tiny_paper_pipeline, make_tiny_reader

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.alignment import transform_points
from diffusionact.face.geometry.gaze import pupils_from_gaze
from diffusionact.face.pose.landmark_map import draw_landmark_map
from diffusionact.face.readers.emoca.ranges import to_truncated_bytes
from diffusionact.pipelines import DiffusionActPipeline, OfficialProcedure
from diffusionact.pipelines.official import squeezed_image


@pytest.fixture(scope="module")
def exact():
    return OfficialProcedure(make_tiny_paper_pipeline())


@pytest.fixture(scope="module")
def source(exact, portrait):
    return exact.encode_source(portrait, 5)


@pytest.fixture(scope="module")
def driving(portrait):
    return portrait.flip(1)[:, 20:200]


def test_the_image_is_squeezed_by_pillow_and_dark_levels_lose_one(portrait):
    image = portrait[:, 20:200]
    levels = to_truncated_bytes(squeezed_image(image))[0].movedim(0, -1)
    squeezed = np.array(Image.fromarray(image.numpy()).resize((256, 256), Image.Resampling.BILINEAR))
    dark = (squeezed >= 1) & (squeezed <= 63)
    np.testing.assert_array_equal(levels.numpy(), squeezed - dark)


def test_the_source_is_inverted_from_the_code_of_its_own_landmark_map(exact, source, portrait):
    networks, pipeline = exact.networks, exact.pipeline
    aligned = exact.align(portrait, "the source")
    landmarks = networks.flame.landmarks(aligned.face.coefficients, 224)
    stickman = draw_landmark_map(landmarks, pupils_from_gaze(landmarks, aligned.face.gaze), 256)
    with torch.no_grad():
        code = pipeline.reenactment_encoder(aligned.image, stickman)
    torch.testing.assert_close(source.semantic_code, code)
    torch.testing.assert_close(source.stochastic_code, pipeline.invert(aligned.image, code, 5))


def test_a_frame_takes_everything_but_the_shape_from_the_driver(exact, source, driving):
    frame = next(exact.stream(source, [driving], 2))
    driver = exact.align(driving, "the driver").face
    mixed = replace(driver.coefficients, shape=source.coefficients.shape)
    landmarks = exact.networks.flame.landmarks(mixed, 224)
    torch.testing.assert_close(frame.pose.landmarks, landmarks)
    torch.testing.assert_close(frame.pose.pupils, pupils_from_gaze(landmarks, driver.gaze))
    code = exact.pipeline.reenact(source, frame.pose)["semantic_code"]
    torch.testing.assert_close(frame.image, exact.pipeline.sample(source.stochastic_code, code, 2))
    assert frame.image.shape == (1, 3, 256, 256)


def test_each_frame_is_rendered_as_if_it_were_the_only_one(exact, source, driving, portrait):
    both = [frame.image for frame in exact.stream(source, [portrait, driving], 2)]
    alone = next(exact.stream(source, [driving], 2)).image
    torch.testing.assert_close(both[1], alone, atol=0, rtol=0)
    assert (both[0] - both[1]).abs().max() > 1e-3


@pytest.mark.slow
def test_the_steps_are_the_official_ones_unless_told_otherwise(exact, source, driving, portrait):
    class FirstStep(Exception):
        """Told how many steps there will be."""

    def stop(done, total):
        raise FirstStep(done, total)

    with pytest.raises(FirstStep) as told:
        exact.encode_source(portrait, on_step=stop)
    assert told.value.args == (1, 50)
    calls = []
    counted = exact.pipeline.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    next(exact.stream(source, [driving]))
    counted.remove()
    assert len(calls) == 20


def test_the_crop_leads_from_the_image_as_it_was_to_the_aligned_one(exact, portrait):
    squeezed_at_home = exact.align(portrait, "an image").crop.matrix
    twice = portrait.repeat_interleave(2, dim=1)
    widened = exact.align(twice, "an image").crop.matrix
    point = torch.tensor([[[100.0, 90.0]]])
    wide = torch.tensor([[[200.5, 90.0]]])
    torch.testing.assert_close(
        transform_points(widened, wide), transform_points(squeezed_at_home, point), atol=2, rtol=0
    )


def test_an_image_without_a_face_is_an_error(exact, source):
    dark = torch.zeros(80, 60, 3, dtype=torch.uint8)
    with pytest.raises(NoFaceFoundError, match="the source"):
        exact.encode_source(dark, 2)
    with pytest.raises(NoFaceFoundError, match="driving frame 1"):
        next(exact.stream(source, [dark], 2))


@pytest.mark.parametrize("lacking", ["tracker", "landmark frame", "size", "precision"])
def test_a_pipeline_that_cannot_follow_the_procedure_is_refused(lacking):
    components, reader = make_tiny_official(), make_tiny_reader()
    if lacking == "tracker":
        reader = None
    elif lacking == "landmark frame":
        components = replace(components, config=replace(components.config, landmark_frame="aligned"))
    elif lacking == "size":
        components = replace(make_tiny_components(), config=components.config, scheduler=components.scheduler)
    pipeline = DiffusionActPipeline(components, reader)
    if lacking == "precision":
        pipeline.to("cpu", torch.bfloat16)
    with pytest.raises(ValueError, match="exact procedure"):
        OfficialProcedure(pipeline)
