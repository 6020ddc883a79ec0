"""Results by turn of the head: the right frames, and for every figure the same frames of all methods."""

from types import SimpleNamespace

import pytest
import torch
from scipy.spatial.transform import Rotation

from diffusionact.evaluation.plan import COPIED_DRIVER, Row
from diffusionact.evaluation.tables import summary
from diffusionact.evaluation.turns import TURNS, lines_in_turn, turn_deg
from diffusionact.evaluation.wording import lost

SMALL, MEDIUM, LARGE = TURNS


@pytest.fixture
def frames():
    """A source that looks 5 degrees aside, and drivers at 0, 14, 16 and 60 degrees."""
    keys = ["source", "a", "b", "c", "d"]
    head_pose = torch.zeros(5, 3)
    head_pose[:, 0] = torch.tensor([5.0, 0.0, 14.0, 16.0, 60.0])
    return SimpleNamespace(rows={key: row for row, key in enumerate(keys)}, head_pose=head_pose)


def line(apd, csim=(0.5, 0.6, 0.7, 0.8), found=(True, True, True, True)):
    return {
        "source": "source",
        "driving": ["a", "b", "c", "d"],
        "values": {"APD": list(apd), "CSIM": list(csim)},
        "clip_values": {"flicker": 2.0},
        "motion": [[0.0] * 6] * 4,
        "wanted": [[0.0] * 6] * 4,
        "found": list(found),
        "without_driver": ["e"],
        "seconds": 8.0,
    }


def row(method, has_steps=False):
    return Row(method, method, object() if has_steps else None)


def test_frames_are_sorted_by_the_angle_to_the_source(frames):
    lines = {row("model", True): [line([1.0, 2.0, 3.0, 4.0])]}
    model = next(iter(lines))
    expected = {SMALL: ["a", "b"], MEDIUM: ["c"], LARGE: ["d"]}
    for turn, keys in expected.items():
        (cut,) = lines_in_turn(frames, lines, turn)[model]
        assert cut["driving"] == keys and cut["values"]["APD"] == [float("abcd".index(key) + 1) for key in keys]
        assert cut["seconds"] == pytest.approx(2.0 * len(keys)), "its share"
        assert cut["clip_values"] == {} and cut["without_driver"] == []


def test_a_figure_is_over_the_frames_that_all_methods_have(frames):
    first, second, driver = row("first"), row("second"), row(COPIED_DRIVER)
    lines = {
        first: [line([1.0, None, 3.0, 4.0], found=(True, False, True, True))],
        second: [line([10.0, 20.0, 30.0, 40.0], csim=(None, 0.6, 0.7, 0.8))],
        driver: [line([0.0, None, 0.0, 0.0])],
    }
    kept = lines_in_turn(frames, lines, SMALL)
    assert kept[second][0]["values"] == {"APD": [10.0, None], "CSIM": [None, 0.6]}
    assert kept[first][0]["values"]["CSIM"] == [None, 0.6]
    assert kept[driver][0]["values"]["CSIM"] == [0.5, 0.6], "it does not compete"
    assert [summary(method, kept[method]).without_identity for method in (first, second)] == [0, 1]
    assert summary(second, kept[second]).values["APD"] == 10.0
    assert summary(first, kept[first]).without_face == 1


def test_a_turn_without_frames_has_no_results(frames):
    lines = {row("model"): [{**line([1.0, 2.0, 3.0, 4.0]), "driving": ["a"] * 4}]}
    assert lines_in_turn(frames, lines, LARGE) == {row("model"): []}


def test_unsure_faces_are_counted(frames):
    unsure = line([1.0] * 4, csim=(None, 0.6, None, None), found=(True, True, True, False))
    counted = summary(row("model"), [unsure])
    assert (counted.without_face, counted.without_identity) == (1, 2)
    assert lost(counted).startswith("1 results without a face, 2 without CSIM, as the face reader is unsure")


def test_turns_agree_with_scipys_rotations():
    generator = torch.Generator().manual_seed(0)
    first, second = (60 * torch.rand(20, 3, generator=generator) - 30 for _ in range(2))

    def rotations(angles):
        # R = Ry(yaw) Rx(pitch) Rz(roll) up to the signs of the axes, which an angle between two does not see.
        return Rotation.from_euler("YXZ", angles.numpy(), degrees=True)

    expected = (rotations(first) * rotations(second).inv()).magnitude()
    degrees = torch.rad2deg(torch.from_numpy(expected)).float()
    torch.testing.assert_close(turn_deg(first, second), degrees, atol=0.01, rtol=0)
    assert torch.equal(turn_deg(first, first) < 0.1, torch.ones(20, dtype=torch.bool))
