"""Figures of pairs, and tables of them: by hand and by numpy."""

import math

import numpy as np
import pytest
import torch

from diffusionact.evaluation.figures import MOTIONS, gaze_error_deg, landmark_error_percent, measure, pearson
from diffusionact.evaluation.observer import Seen
from diffusionact.evaluation.plan import Row
from diffusionact.evaluation.protocols import Steps
from diffusionact.evaluation.tables import Table, TableRow, mean_and_error, summary
from diffusionact.evaluation.wording import best_rows, figure, lost
from diffusionact.metrics import aed, apd, csim, nme, psnr, tl_id


def seen_faces(count, seed):
    generator = torch.Generator().manual_seed(seed)

    def values(*shape):
        return torch.rand(count, *shape, generator=generator)

    return Seen(
        found=torch.ones(count, dtype=torch.bool),
        landmarks=200 * values(68, 2),
        head_pose=20 * values(3),
        gaze=values(2) - 0.5,
        expression=values(52),
        embedding=values(16),
    )


def without_face(seen, row):
    """The same with NaN in a row, as the observer marks an image without a face."""
    marked = {name: value.clone() for name, value in vars(seen).items()}
    for name, value in marked.items():
        value[row] = False if name == "found" else torch.nan
    return Seen(**marked)


def images(count, seed):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def line_of(values, found=None, clip_values=None, seconds=0.0):
    count = len(next(iter(values.values())))
    return {
        "values": values,
        "clip_values": clip_values or {},
        "motion": [[float(frame)] * len(MOTIONS) for frame in range(count)],
        "wanted": [[2.0 * frame] * len(MOTIONS) for frame in range(count)],
        "found": found or [True] * count,
        "without_driver": [],
        "seconds": seconds,
    }


def test_self_reenactment_is_measured_against_its_target():
    seen, target, made, truth = seen_faces(3, 0), seen_faces(3, 1), images(3, 2), images(3, 3)
    measured = measure(seen, target, target, (made, truth), None)
    expected = {
        "PSNR": psnr(made, truth),
        "CSIM": csim(seen.embedding, target.embedding),
        "NME": nme(seen.landmarks, target.landmarks),
        "APD": apd(seen.head_pose, target.head_pose),
        "AED": aed(seen.expression, target.expression),
    }
    for name, values in expected.items():
        assert measured.values[name] == pytest.approx(values.tolist())
    assert measured.clip_values["TL-ID"] == pytest.approx(float(tl_id(seen.embedding, target.embedding)))
    assert "LPIPS" not in measured.values


def test_cross_reenactment_keeps_the_source_identity_and_driver_pose():
    seen, driver, source = (seen_faces(2, seed) for seed in (0, 1, 2))
    measured = measure(seen, driver, source, None, None)
    assert set(measured.values) == {"CSIM", "APD", "AED", "gaze"} and not measured.clip_values
    assert measured.values["CSIM"] == pytest.approx(csim(seen.embedding, source.embedding).tolist())
    assert measured.values["APD"] == pytest.approx(apd(seen.head_pose, driver.head_pose).tolist())


def test_equal_images_have_finite_figures_with_and_without_lpips():
    same = images(2, 0)
    seen = seen_faces(2, 0)
    measured = measure(seen, seen, seen, (same, same), lambda first, second: (first - second).abs().mean((1, 2, 3)))
    assert measured.values["PSNR"] == [100.0, 100.0]
    assert measured.values["LPIPS"] == [0.0, 0.0]


def test_rows_without_a_face_have_only_the_figures_of_images():
    seen, target = (without_face(seen_faces(3, seed), row) for seed, row in ((0, 0), (1, 1)))
    made, truth = images(3, 2), images(3, 3)
    values = measure(seen, target, target, (made, truth), None).values
    for name in ("NME", "APD", "AED", "CSIM", "gaze"):
        assert [math.isnan(value) for value in values[name]] == [True, True, False], name
    assert values["NME"][2] == pytest.approx(float(nme(seen.landmarks[2:], target.landmarks[2:])))
    assert values["PSNR"] == psnr(made, truth).tolist()
    nobody = without_face(without_face(seen, 1), 2)
    assert all(math.isnan(value) for value in measure(nobody, target, target, (made, truth), None).values["NME"])


def test_the_gaze_error_is_the_angle_between_directions():
    straight = torch.zeros(1, 2)
    assert gaze_error_deg(torch.tensor([[0.0, math.radians(10)]]), straight).item() == pytest.approx(10, abs=1e-4)
    assert gaze_error_deg(straight, straight).item() == 0
    tiny = torch.tensor([[0.0, math.radians(0.01)]])
    assert gaze_error_deg(tiny, straight).item() == pytest.approx(0.01, rel=1e-3)


def test_numpy_agrees_on_the_gaze_error():
    first, second = seen_faces(20, 0).gaze, seen_faces(20, 1).gaze

    def direction(gaze):
        pitch, yaw = gaze.double().numpy().T
        return np.stack([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)])

    expected = np.degrees(np.arccos((direction(first) * direction(second)).sum(0)))
    np.testing.assert_allclose(gaze_error_deg(first, second).numpy(), expected, rtol=1e-4)


def test_correlation_agrees_with_numpy_over_rows_with_a_face():
    first, second = torch.randn(30, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 30)
    assert pearson(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-6)
    first[3] = math.nan
    kept = [row for row in range(30) if row != 3]
    assert pearson(first, second) == pytest.approx(np.corrcoef(first[kept], second[kept])[0, 1], abs=1e-6)
    assert math.isnan(pearson(torch.ones(30), second))


def test_the_mean_is_over_frames_and_its_error_over_videos():
    clips = [np.array([1.0, 3.0]), np.array([5.0]), np.array([np.nan])]
    mean, error = mean_and_error(clips)
    assert mean == 3.0  # of 1, 3, 5
    assert error == pytest.approx(np.std([2.0, 5.0], ddof=1) / 2**0.5)
    assert all(math.isnan(value) for value in mean_and_error([np.array([np.nan])]))


def test_a_row_counts_frames_faces_and_seconds():
    lines = [
        line_of({"APD": [1.0, None]}, [True, False], {"TL-ID": 0.9}, seconds=4.0),
        line_of({"APD": [4.0]}, seconds=2.0) | {"without_driver": ["x", "y"]},
    ]
    row = summary(Row("model", "model", Steps(2, 2)), lines)
    assert row.values["APD"] == 2.5 and row.values["TL-ID"] == 0.9 and row.values["seconds"] == 2.0
    assert row.values["yaw r"] == pytest.approx(1.0)
    assert (row.frames, row.without_face, row.without_driver) == (3, 1, 2)
    assert lost(row) == "1 results without a face, 2 driving frames left out"


def test_the_best_figure_is_never_a_bound_or_the_paper():
    rows = [
        TableRow("copied source", "copied source", {"PSNR": 16.0, "APD": 9.0}),
        TableRow("model", "model", {"PSNR": 20.0, "APD": 1.0}),
        TableRow("target reconstructed", "model: reconstruction", {"PSNR": 30.0, "APD": 0.1}),
        TableRow("copied driver", "copied driver", {"APD": 0.0}),
    ]
    table = Table("self", ("PSNR", "APD"), tuple(rows), (), "")
    assert best_rows(table, "PSNR") == {1} == best_rows(table, "APD")
    assert [figure(row, "PSNR") for row in rows] == ["16.00", "20.00", "30.00", "–"]


def test_landmark_error_is_percent_of_the_outer_eye_corners_distance():
    wanted = seen_faces(2, 0).landmarks
    wanted[:, 36], wanted[:, 45] = torch.tensor([10.0, 20.0]), torch.tensor([60.0, 20.0])
    moved = wanted + torch.tensor([3.0, 4.0])
    moved[:, :17] += 100.0  # the contour does not count
    assert landmark_error_percent(moved, wanted).tolist() == pytest.approx([10.0, 10.0])
