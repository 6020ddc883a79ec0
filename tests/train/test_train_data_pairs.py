"""Pairs at a controlled distance of the heads."""

import numpy as np
import pytest

from train.data.pairs import FrameOrder, PairOrder, rotation_distance

VIDEOS, FRAMES = 4, 12
VIDEO = np.repeat(np.arange(VIDEOS), FRAMES)
HEAD_POSE = np.zeros((len(VIDEO), 3), dtype=np.float32)
HEAD_POSE[:, 0] = np.tile(np.linspace(-33, 33, FRAMES), VIDEOS)  # 6 degrees apart


def turns(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.abs(HEAD_POSE[sources, 0] - HEAD_POSE[targets, 0])


def test_the_distance_of_two_rotations_is_the_angle_between_them():
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    half = quarter @ quarter
    np.testing.assert_allclose(rotation_distance(np.eye(3), np.stack([np.eye(3), quarter, half])), [0, 90, 180])


def test_source_and_target_are_of_one_video_and_as_far_apart_as_asked():
    pairs = PairOrder(VIDEO, FrameOrder(np.arange(len(VIDEO)), 8, seed=3), HEAD_POSE, 11.9, 24.1)
    seen = np.concatenate([np.stack(pairs.batch(index)) for index in range(40)], axis=1)
    assert (VIDEO[seen[0]] == VIDEO[seen[1]]).all()
    assert turns(*seen).min() >= 11.9 and turns(*seen).max() <= 24.1
    assert set(np.round(turns(*seen)).tolist()) == {12, 18, 24}


def test_without_a_frame_far_enough_the_farthest_is_taken():
    pairs = PairOrder(VIDEO, FrameOrder(np.arange(len(VIDEO)), len(VIDEO)), HEAD_POSE, distance_min=50)
    sources, targets = pairs.batch(0)
    farthest = np.maximum(HEAD_POSE[sources, 0] + 33, 33 - HEAD_POSE[sources, 0])
    too_near = farthest < 50
    assert too_near.any() and not too_near.all()
    np.testing.assert_allclose(turns(sources, targets)[too_near], farthest[too_near], atol=0.01)
    assert (turns(sources, targets)[~too_near] >= 50).all()


def test_without_a_distance_the_pairs_are_those_of_the_group_alone():
    plain = PairOrder(VIDEO, FrameOrder(np.arange(len(VIDEO)), 8, seed=3))
    with_pose = PairOrder(VIDEO, FrameOrder(np.arange(len(VIDEO)), 8, seed=3), HEAD_POSE, 0.0, None)
    for index in range(5):
        np.testing.assert_array_equal(plain.batch(index), with_pose.batch(index))


def test_a_batch_of_pairs_depends_on_seed_number_and_process_alone():
    def order(process: int) -> PairOrder:
        frames = FrameOrder(np.arange(len(VIDEO)), 6, num_processes=2, process=process, seed=1)
        return PairOrder(VIDEO, frames, HEAD_POSE, 10.0)

    one = order(0)
    in_a_row = [one.batch(index) for index in range(10)]
    np.testing.assert_array_equal(order(0).batch(9), in_a_row[9])
    assert not np.array_equal(order(1).batch(9), in_a_row[9])


def test_a_distance_without_head_poses_is_an_error():
    with pytest.raises(ValueError, match="Pass head_pose"):
        PairOrder(VIDEO, FrameOrder(np.arange(len(VIDEO)), 6), distance_min=10)
