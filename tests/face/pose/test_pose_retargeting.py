"""Recombination: whose shape, whose motion, and how little of the driver's shape gets through."""

import math
from dataclasses import replace

import pytest
import torch

from benchmarks.identity_leak import measure, observe, random_people
from diffusionact.face.pose.retargeting import MotionOptions, face_pose, recombine
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.types import CropTransform, FaceCoefficients

RELATIVE = MotionOptions(relative=True)
MODEL = OpenFaceModel.from_bundled()


def coefficients(count: int, seed: int) -> FaceCoefficients:
    generator = torch.Generator().manual_seed(seed)
    return FaceCoefficients(
        shape=torch.randn(count, 40, generator=generator),
        expression=torch.rand(count, 52, generator=generator),
        rotation=0.3 * torch.randn(count, 3, generator=generator),
        camera=torch.tensor([[0.4, 0.0, 0.0]]) + 0.05 * torch.randn(count, 3, generator=generator),
        face_model="open",
    )


def equal(one: FaceCoefficients, other: FaceCoefficients) -> bool:
    names = [name for name in FaceCoefficients.__dataclass_fields__ if name != "face_model"]
    assert one.face_model == other.face_model
    return all(torch.allclose(getattr(one, name), getattr(other, name), atol=1e-5) for name in names)


def test_absolute_motion_takes_all_but_the_shape_from_the_driver():
    source, driver = coefficients(1, 0), coefficients(4, 1)
    mixed = recombine(MODEL, source, driver)
    assert torch.equal(mixed.shape, source.shape.expand(4, -1))
    assert equal(replace(mixed, shape=driver.shape), driver)


def test_gain_scales_the_expression_and_keeps_it_in_range():
    driver = coefficients(2, 1)
    mixed = recombine(MODEL, coefficients(1, 0), driver, MotionOptions(expression_gain=1.5))
    assert torch.allclose(mixed.expression, (1.5 * driver.expression).clamp(max=1.0))
    assert torch.equal(
        recombine(MODEL, coefficients(1, 0), driver, MotionOptions(expression_gain=0.0)).expression, torch.zeros(2, 52)
    )


def test_relative_motion_of_the_reference_frame_leaves_the_source_as_it_is():
    source, reference = coefficients(1, 0), coefficients(1, 1)
    assert equal(recombine(MODEL, source, reference, RELATIVE, reference), source)


def test_relative_motion_from_the_sources_own_pose_is_absolute_motion():
    source, driver = coefficients(1, 0), coefficients(3, 1)
    relative = recombine(MODEL, source, driver, RELATIVE, source)
    assert equal(relative, recombine(MODEL, source, driver))


def test_relative_motion_adds_the_drivers_turn_travel_and_growth():
    source = replace(coefficients(1, 0), rotation=torch.zeros(1, 3))
    reference = replace(coefficients(1, 1), rotation=torch.tensor([[0.0, math.radians(10), 0.0]]))
    driver = replace(reference, rotation=torch.tensor([[0.0, math.radians(30), 0.0]]))
    driver = replace(driver, camera=torch.cat([2 * driver.camera[:, :1], driver.camera[:, 1:]], dim=1))
    mixed = recombine(MODEL, source, driver, RELATIVE, reference)
    assert torch.allclose(mixed.rotation, torch.tensor([[0.0, math.radians(20), 0.0]]), atol=1e-5)
    assert torch.allclose(mixed.camera[:, 0], 2 * source.camera[:, 0])


def test_the_sources_own_camera_stays_in_absolute_and_in_relative_motion():
    source, driver, reference = coefficients(1, 0), coefficients(3, 1), coefficients(1, 2)
    absolute = recombine(MODEL, source, driver, MotionOptions(camera="source"))
    relative = recombine(MODEL, source, driver, MotionOptions(relative=True, camera="source"), reference)
    assert torch.equal(absolute.camera, source.camera.expand(3, -1)) and torch.equal(relative.camera, absolute.camera)
    assert torch.equal(absolute.rotation, driver.rotation)


def test_change_lays_the_drivers_travel_and_growth_alone_on_the_source():
    source, driver, reference = coefficients(1, 0), coefficients(3, 1), coefficients(1, 2)
    mixed = recombine(MODEL, source, driver, MotionOptions(camera="change"), reference)
    assert torch.allclose(mixed.camera, recombine(MODEL, source, driver, RELATIVE, reference).camera)
    assert torch.equal(mixed.rotation, driver.rotation)


def test_a_turned_source_keeps_the_turn_beyond_the_limit():
    source, driver = coefficients(1, 0), coefficients(2, 1)
    sideways = torch.tensor([[0.0, math.radians(30), 0.0]])
    frontal = replace(driver, rotation=torch.zeros(2, 3))
    limited = MotionOptions(turn_limit=15.0)
    mixed = recombine(MODEL, replace(source, rotation=sideways), frontal, limited)
    assert torch.allclose(mixed.rotation, torch.tensor([0.0, math.radians(15), 0.0]).expand(2, 3), atol=1e-5)
    further = recombine(MODEL, replace(source, rotation=2 * sideways), frontal, limited)
    assert torch.allclose(further.rotation[:, 1], torch.tensor(math.radians(60 - 7.5)), atol=1e-5)
    hardly_turned = replace(source, rotation=0.4 * sideways)
    assert torch.equal(recombine(MODEL, hardly_turned, driver, limited).rotation, driver.rotation)


@pytest.mark.parametrize("values", [{"camera": "mine"}, {"turn_limit": -1.0}, {"turn_limit": 181.0}])
def test_motion_options_out_of_range_are_rejected(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        MotionOptions(**values)


def test_reference_and_relative_motion_belong_together():
    with pytest.raises(ValueError, match="relative motion"):
        recombine(MODEL, coefficients(1, 0), coefficients(1, 1), RELATIVE)
    with pytest.raises(ValueError, match="relative motion"):
        recombine(MODEL, coefficients(1, 0), coefficients(1, 1), reference=coefficients(1, 2))


def test_pupils_are_placed_in_the_recombined_eyes():
    faces, head_pose = random_people(MODEL, 3, torch.Generator().manual_seed(3))
    faces.expression.zero_()
    unmoved = CropTransform(torch.eye(2, 3).expand(3, 2, 3), 256)
    pose = face_pose(MODEL, faces, torch.zeros(3, 2), torch.ones(3, dtype=torch.bool), unmoved)
    assert torch.allclose(pose.pupils[:, 0], pose.landmarks[:, 36:42].mean(1), atol=1e-4)
    assert torch.allclose(pose.head_pose, head_pose, atol=1e-2)
    assert pose.landmarks.shape == (3, 68, 2) and pose.found.all()


def test_recombined_landmarks_carry_the_sources_shape_and_not_the_drivers():
    generator = torch.Generator().manual_seed(0)
    fitted = []
    for _ in range(2):
        people, head_pose = random_people(MODEL, 120, generator)
        seen = observe(MODEL, people, 1.0, generator)
        fitted.append(MODEL.fit(seen, people.expression, head_pose, 256))
    recombined, drivers_own = measure(MODEL, *fitted)
    assert recombined.ratio > 5 and abs(recombined.share) < 0.1  # the fit itself draws to the mean
    assert drivers_own.ratio < 0.5 and drivers_own.share > 0.9
