"""The official procedure of Finding Directions, step by step with tiny networks."""

from dataclasses import replace

import pytest
import torch
from tiny_directions import make_tiny_directions
from tiny_official import make_tiny_deca

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.alignment import transform_points
from diffusionact.face.geometry.area_resize import resize_by_area
from diffusionact.face.geometry.square_crop import square_crop
from diffusionact.face.readers.emoca.crops import crop_for_deca
from diffusionact.face.readers.emoca.face_detector import DetectedBoxes
from diffusionact.generation.directions import DirectionsEngine
from diffusionact.pipelines import DiffusionActPipeline, OfficialDirections


@pytest.fixture(scope="module")
def exact():
    components = make_tiny_directions(is_official_size=True)
    return OfficialDirections(DiffusionActPipeline(DirectionsEngine(components), make_tiny_deca()))


@pytest.fixture(scope="module")
def photo(portrait):
    """A wide part of it: the detector works on 1,000 px, whatever the image."""
    return portrait[88:152]


@pytest.fixture(scope="module")
def source(exact, photo):
    return exact.encode_source(photo)


def test_an_image_is_cut_from_its_copy_of_1000_px(exact, source, photo):
    wide = resize_by_area(photo, 1000)
    landmarks = exact._first_landmarks(wide, "the image")
    expected, crop = square_crop(wide, landmarks[0], 256)
    assert torch.equal(source.image[0].movedim(0, -1), expected.float() / 255 * 2 - 1)
    # Integer pixel k of the small image is (k + 0.5) * 1000 / 256 - 0.5 of the large one.
    here = torch.tensor([[[100.0, 80.0]]])
    there = (here + 0.5) * 1000 / 256 - 0.5
    torch.testing.assert_close(transform_points(source.crop.matrix, here), transform_points(crop.matrix, there))


def test_a_frame_moves_the_sources_code_by_what_deca_reads(exact, source, photo):
    frame = next(exact.stream(source, [photo.flip(1)]))
    driver = exact.align(photo.flip(1), "the driver")
    codes = exact.networks.deca_encoder(crop_for_deca(driver.image, driver.face.landmarks))
    torch.testing.assert_close(driver.face.coefficients.expression[:, :50], codes.expression)
    wanted = replace(driver.face.coefficients, shape=source.coefficients.shape)
    torch.testing.assert_close(frame.pose.coefficients.expression, wanted.expression)
    w_plus = exact.engine.condition(source, frame.pose)["w_plus"]
    torch.testing.assert_close(frame.image, exact.engine.generator(w_plus).clamp(-1, 1))


def test_of_several_faces_the_last_good_one_counts(exact, photo, monkeypatch):
    boxes = torch.tensor([[300.0, 300.0, 700.0, 700.0], [100.0, 100.0, 500.0, 500.0]])
    found = DetectedBoxes(boxes, torch.tensor([0.999, 0.995]))
    wide = resize_by_area(photo, 1000)
    monkeypatch.setattr(exact.networks.detector, "detect", lambda images, score: [found])
    last = exact._first_landmarks(wide, "the image")
    monkeypatch.setattr(
        exact.networks.detector, "detect", lambda images, score: [DetectedBoxes(boxes[1:], found.scores[1:])]
    )
    assert torch.equal(last, exact._first_landmarks(wide, "the image"))


def test_an_image_without_a_face_is_an_error(exact, source):
    with pytest.raises(NoFaceFoundError, match="driving frame 1"):
        next(exact.stream(source, [torch.zeros(64, 64, 3, dtype=torch.uint8)]))


def test_another_size_or_reader_is_rejected():
    small, full = (DirectionsEngine(make_tiny_directions(is_official_size=size)) for size in (False, True))
    with pytest.raises(ValueError, match="image side of 256"):
        OfficialDirections(DiffusionActPipeline(small, make_tiny_deca()))
    with pytest.raises(ValueError, match="the face reader deca"):
        OfficialDirections(DiffusionActPipeline(full))
