"""Synthetic heads: reproducible, resumable, and true to their ground truth."""

import dataclasses
import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.face.geometry.rotations import head_pose_to_matrix
from portraits.camera import Camera, Jitter
from portraits.export import neutral_motion
from portraits.frames import identity_frames, render_frame, sample_portrait
from portraits.geometry import head_rotation, rotation_power
from portraits.head import ASSETS, Head, PosedHead
from portraits.motion import MOTIONS
from portraits.shards import INDEX_NAME, ShardConfig, prepare_folder, shard_name, write_shard

SIZE = 32
# iBUG-68 seen in a mirror
MIRRORED = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46,
    39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
]  # fmt: skip


@pytest.fixture(scope="module")
def head() -> Head:
    return Head()


@pytest.fixture(scope="module")
def portrait(head):
    return sample_portrait(head, np.random.default_rng((77, 0)))


def render(portrait, size=64, **changes):
    return render_frame(portrait, dataclasses.replace(neutral_motion(portrait.head), **changes), size)


def template_pixels(head, yaw_deg=0.0, pitch_deg=0.0):
    pose = np.radians([yaw_deg, pitch_deg, 0])
    posed = PosedHead(head, head.vertices, np.zeros(52, np.float32), pose, (0, 0))
    return Camera(posed, 15.0, Jitter()).pixels(posed.landmarks, 128)


def test_the_asset_has_52_sorted_facial_actions_and_stays_small(head):
    assert len(head.action_names) == 52
    assert head.action_names == sorted(head.action_names)
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 3_000_000


def test_rotation_agrees_with_the_house_convention():
    pose = torch.tensor([[25.0, -10.0, 8.0]])
    mine = head_rotation(*np.radians(pose[0].numpy()))
    np.testing.assert_allclose(mine, head_pose_to_matrix(pose)[0].numpy(), atol=1e-6)


def test_two_half_rotations_make_the_whole():
    rotation = head_rotation(0.5, -0.3, 0.2)
    half = rotation_power(rotation, 0.5)
    np.testing.assert_allclose(half @ half, rotation, atol=1e-5)


def test_the_same_seed_gives_the_same_pixels(head):
    first, again = (list(identity_frames(head, 5, 3, 2, SIZE, "stills")) for _ in range(2))
    other = list(identity_frames(head, 5, 4, 2, SIZE, "stills"))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
        assert np.abs(a.image.astype(int) - c.image).mean() > 2


def test_an_opposite_turn_gives_mirrored_landmarks(head):
    left, right = template_pixels(head, yaw_deg=-30), template_pixels(head, yaw_deg=30)
    mirrored = np.stack([127 - right[MIRRORED, 0], right[MIRRORED, 1]], 1)
    np.testing.assert_allclose(left, mirrored, atol=1.5)


def test_positive_yaw_turns_image_right_and_positive_pitch_down(head):
    def nose(points):
        return points[30] - (points[36:42].mean(0) + points[42:48].mean(0)) / 2

    straight = nose(template_pixels(head))
    assert nose(template_pixels(head, yaw_deg=25))[0] > straight[0] + 5
    assert nose(template_pixels(head, pitch_deg=20))[1] > straight[1] + 3


def test_the_eyes_of_an_unjittered_frame_fall_where_ffhq_has_them(head):
    points = template_pixels(head)
    middle = (points[36:42].mean(0) + points[42:48].mean(0)) / 2
    np.testing.assert_allclose((middle + 0.5) / 128, (0.500, 0.473), atol=0.005)


def test_jitter_shifts_the_frame_by_its_share_of_the_side(portrait):
    straight, shifted = render(portrait), render(portrait, jitter=Jitter(0.1, -0.05))
    shift = np.broadcast_to([-6.4, 3.2], (68, 2))
    np.testing.assert_allclose(shifted.landmarks - straight.landmarks, shift, atol=1e-3)


def test_irises_lie_inside_open_eyes_the_subjects_right_first(portrait):
    frame = render(portrait)
    for pupil, eye in zip(frame.pupils, (frame.landmarks[36:42], frame.landmarks[42:48]), strict=True):
        assert (pupil > eye.min(0) - 0.5).all()
        assert (pupil < eye.max(0) + 0.5).all()
    assert frame.pupils[0, 0] < frame.pupils[1, 0]


def test_gaze_is_positive_up_and_to_the_image_left(portrait):
    ahead = render(portrait)
    moved = render(portrait, eye_turn=np.array([-0.3, -0.2]))
    np.testing.assert_allclose(moved.gaze, [0.2, 0.3])
    assert (moved.pupils < ahead.pupils - 0.3).all()


def test_the_recorded_head_pose_is_in_degrees(portrait):
    frame = render(portrait, size=16, head_pose=np.radians([20.0, -5.0, 3.0]))
    np.testing.assert_allclose(frame.head_pose, [20, -5, 3], atol=1e-6)


def test_labels_show_face_at_the_nose_and_background_in_a_corner(portrait):
    frame = render(portrait)
    column, row = np.round(frame.landmarks[30]).astype(int)
    assert frame.labels[row, column] == 2
    assert frame.labels[0, 0] == 0
    assert set(np.unique(frame.labels)) == {0, 1, 2}


def test_most_landmarks_of_random_stills_lie_in_the_image(head):
    frames = [frame for i in range(3) for frame in identity_frames(head, 9, i, 3, SIZE, "stills")]
    points = np.stack([frame.landmarks for frame in frames])
    assert ((points > 0) & (points < SIZE - 1)).all(-1).mean() > 0.97
    for frame in frames:
        assert frame.expression.shape == (52,)
        assert frame.expression.min() >= 0 and frame.expression.max() <= 1


def test_sequences_move_smoothly_and_stills_jump(head):
    def largest_step(motion):
        motions = MOTIONS[motion](head.action_names, np.random.default_rng(1), 40)
        return np.abs(np.diff(np.degrees([m.head_pose for m in motions]), axis=0)).max()

    assert largest_step("sequence") < 8 < largest_step("stills")


def test_an_interrupted_run_does_not_render_finished_shards_again(head, tmp_path):
    config = ShardConfig(identities=33, frames=1, size=16, seed=2, motion="stills")
    prepare_folder(config, tmp_path, head.action_names)
    assert write_shard(head, config, 1, tmp_path) == 1
    finished = (tmp_path / shard_name(1)).read_bytes()
    (tmp_path / shard_name(1)).write_bytes(b"kept")
    (tmp_path / (shard_name(0) + ".tmp")).write_bytes(b"half a shard")
    write_shard(head, config, 1, tmp_path)
    assert (tmp_path / shard_name(1)).read_bytes() == b"kept"
    (tmp_path / shard_name(1)).unlink()
    write_shard(head, config, 1, tmp_path)
    assert (tmp_path / shard_name(1)).read_bytes() == finished


def test_a_shard_holds_the_frames_of_an_identity_in_order(head, tmp_path):
    config = ShardConfig(identities=1, frames=2, size=16, seed=2, motion="sequence")
    prepare_folder(config, tmp_path, head.action_names)
    write_shard(head, config, 0, tmp_path)
    index = json.loads((tmp_path / INDEX_NAME).read_text())
    assert index["count"] == 2 and index["shards"] == [{"name": shard_name(0), "count": 2}]
    with tarfile.open(tmp_path / shard_name(0)) as archive:
        names = archive.getnames()
        content = {name: archive.extractfile(name).read() for name in names}
    assert names == [f"000000_000{k}.{kind}" for k in (0, 1) for kind in ("png", "labels.png", "json")]
    truth = json.loads(content["000000_0001.json"])
    assert np.shape(truth["landmarks"]) == (68, 2) and np.shape(truth["pupils"]) == (2, 2)
    assert len(truth["expression"]) == 52 and truth["identity"] == truth["video"] == "000000" and truth["frame"] == 1
    assert Image.open(io.BytesIO(content["000000_0001.png"])).size == (16, 16)


def test_a_folder_with_another_configuration_is_an_error(head, tmp_path):
    config = ShardConfig(identities=1, frames=1, size=16, seed=2, motion="stills")
    prepare_folder(config, tmp_path, head.action_names)
    with pytest.raises(ValueError, match="choose another --output"):
        prepare_folder(dataclasses.replace(config, seed=3), tmp_path, head.action_names)
