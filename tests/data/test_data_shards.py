"""Shards: what is written is read back; damage is reported."""

import dataclasses
import gzip
import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.data.shards import (
    FaceRecord,
    ShardFrame,
    expression_names,
    hull_labels,
    read_index,
    read_shard,
    remove_unfinished,
    scan_shard,
    write_index,
    write_shard,
)
from diffusionact.types import FaceCoefficients

SIZE = 16
ARRAYS = ("landmarks", "pupils", "head_pose", "gaze", "expression")


def make_frame(number: int = 0, **changes) -> ShardFrame:
    random = np.random.default_rng(number)
    values = {
        "landmarks": random.uniform(0, SIZE - 1, (68, 2)),
        "pupils": random.uniform(0, SIZE - 1, (2, 2)),
        "head_pose": random.uniform(-30, 30, 3),
        "gaze": random.uniform(-0.3, 0.3, 2),
        "expression": random.uniform(0, 1, 52),
    }
    frame = ShardFrame(
        identity="ann",
        video="ann/a.b.mp4",
        clip="ann/a.b.mp4",
        frame=number,
        split="test",
        image=random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        labels=random.integers(0, 3, (SIZE, SIZE), dtype=np.uint8),
        **values,
    )
    return dataclasses.replace(frame, **changes)


def make_face(expression: np.ndarray) -> FaceRecord:
    rows = {"shape": torch.randn(1, 5), "rotation": torch.randn(1, 3), "camera": torch.randn(1, 3)}
    coefficients = FaceCoefficients(expression=torch.from_numpy(expression).float()[None], face_model="open", **rows)
    return FaceRecord("open", coefficients, np.eye(2, 3) * 1.5, np.eye(2, 3) * 2.5)


def test_frames_are_read_back_as_they_were_written(tmp_path):
    frames = [make_frame(number) for number in range(3)]
    frames[1] = dataclasses.replace(frames[1], labels=None, face=make_face(frames[1].expression))
    assert write_shard(tmp_path / "a.tar", frames) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    back = list(read_shard(tmp_path / "a.tar"))
    for before, after in zip(frames, back, strict=True):
        assert (after.identity, after.video, after.clip, after.frame, after.split) == (
            "ann",
            "ann/a.b.mp4",
            "ann/a.b.mp4",
            before.frame,
            "test",
        )
        np.testing.assert_array_equal(after.image, before.image)
        for name in ARRAYS:
            np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=6e-4)
    np.testing.assert_array_equal(back[0].labels, frames[0].labels)
    assert back[0].face is None and back[1].labels is None
    face, expected = back[1].face, frames[1].face
    assert face.reader == "open"
    for name in ("shape", "expression", "rotation", "camera"):
        torch.testing.assert_close(
            getattr(face.coefficients, name), getattr(expected.coefficients, name), rtol=0, atol=1e-5
        )
    np.testing.assert_allclose(face.crop, expected.crop)
    np.testing.assert_allclose(face.camera_crop, expected.camera_crop)


def test_the_bytes_depend_on_the_frames_alone(tmp_path):
    for name in ("a.tar", "b.tar"):
        write_shard(tmp_path / name, [make_frame(number) for number in range(2)])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("image_format", ["jpg", "webp"])
def test_smaller_formats_stay_near_the_image(tmp_path, image_format):
    smooth = np.stack([np.tile(np.linspace(0, 255, 64), (64, 1))] * 3, -1).astype(np.uint8)
    write_shard(tmp_path / "a.tar", [make_frame(image=smooth, labels=None)], image_format, 95)
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert [name.partition(".")[2] for name in archive.getnames()] == [image_format, "json"]
    (frame,) = read_shard(tmp_path / "a.tar")
    assert np.abs(frame.image.astype(int) - smooth).mean() < 2


def test_keys_hold_no_point_and_no_slash_and_differ_for_different_clips():
    keys = {make_frame(clip=clip).key for clip in ("a/b", "a-b", "a.b", "a_b", "a%2Fb")}
    assert len(keys) == 5
    assert not any("." in key or "/" in key for key in keys)


def test_scanning_finds_the_bytes_of_every_image(tmp_path):
    frames = [make_frame(number) for number in range(3)]
    write_shard(tmp_path / "a.tar", frames)
    content = (tmp_path / "a.tar").read_bytes()
    for frame, stored in zip(frames, scan_shard(tmp_path / "a.tar"), strict=True):
        for (first, number), pixels in ((stored.image, frame.image), (stored.labels, frame.labels)):
            image = Image.open(io.BytesIO(content[first : first + number]))
            np.testing.assert_array_equal(np.asarray(image), pixels)


def test_an_error_while_writing_leaves_nothing(tmp_path):
    def frames():
        yield make_frame()
        raise RuntimeError("the disk of the videos is gone")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "a.tar", frames())
    assert write_shard(tmp_path / "a.tar", []) == 0
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_removed_for_its_own_shard_only(tmp_path):
    mine, other = tmp_path / ".a.0123abcd.tmp", tmp_path / ".a-b.0123abcd.tmp"
    mine.touch(), other.touch()
    remove_unfinished(tmp_path / "a.tar")
    assert not mine.exists() and other.exists()


def test_a_frame_without_one_of_its_keys_is_an_error_that_names_it(tmp_path):
    write_shard(tmp_path / "whole.tar", [make_frame()])
    with tarfile.open(tmp_path / "whole.tar") as whole, tarfile.open(tmp_path / "old.tar", "w") as archive:
        for member in whole.getmembers():
            content = whole.extractfile(member).read()
            if member.name.endswith(".json"):
                content = json.dumps({k: v for k, v in json.loads(content).items() if k != "video"}).encode()
            entry = tarfile.TarInfo(member.name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(ValueError, match="without 'video'.*Prepare the shard again"):
        list(read_shard(tmp_path / "old.tar"))


@pytest.mark.parametrize(
    ("part", "content"),
    [("png", b"\x89PNG\r\n"), ("json", b"[1]"), ("json", b"\xff{}"), ("json", b'{"landmarks": [[1, 2], [3]]}')],
)
def test_a_member_of_another_content_is_an_error_with_advice(tmp_path, part, content):
    write_shard(tmp_path / "a.tar", [make_frame()])
    with tarfile.open(tmp_path / "a.tar") as whole, tarfile.open(tmp_path / "b.tar", "w") as archive:
        for member in whole.getmembers():
            data = whole.extractfile(member).read()
            if member.name.partition(".")[2] == part:
                member.size, data = len(content), content
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(ValueError, match="repare"):
        list(read_shard(tmp_path / "b.tar"))


@pytest.mark.parametrize("part", ["png", "json"])
def test_a_frame_without_image_or_facts_is_said_in_words(tmp_path, part):
    write_shard(tmp_path / "a.tar", [make_frame()])
    with tarfile.open(tmp_path / "a.tar") as whole, tarfile.open(tmp_path / "b.tar", "w") as archive:
        for member in whole.getmembers():
            if member.name.partition(".")[2] != part:
                archive.addfile(member, whole.extractfile(member))
    with pytest.raises(ValueError, match="b.tar.*damaged"):
        list(read_shard(tmp_path / "b.tar"))


def test_a_shard_that_ends_too_early_is_said_in_words(tmp_path):
    write_shard(tmp_path / "a.tar", [make_frame(number) for number in range(3)])
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"b\.tar"):
        list(read_shard(tmp_path / "b.tar"))


def test_shard_that_unpacks_to_more_than_it_is_is_rejected(tmp_path):
    write_shard(tmp_path / "a.tar", [make_frame()])
    (tmp_path / "packed.tar").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes()))
    with pytest.raises(ValueError, match="Expected a complete tar file"):
        list(scan_shard(tmp_path / "packed.tar"))
    with tarfile.open(tmp_path / "a.tar") as source, tarfile.open(tmp_path / "sparse.tar", "w") as target:
        for member in source.getmembers():
            content = source.extractfile(member).read()
            if member.name.endswith(".json"):  # "nothing but 2**40 zeros", in the words of GNU tar
                member.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}
            target.addfile(member, io.BytesIO(content))
    with pytest.raises(ValueError, match="json of sparse.tar"):
        list(scan_shard(tmp_path / "sparse.tar"))


def test_the_index_names_the_expression(tmp_path):
    write_index(tmp_path, ["jawOpen"], {"size": 16})
    assert expression_names(tmp_path) == ["jawOpen"] and read_index(tmp_path)["size"] == 16


def test_a_folder_without_index_is_said_in_words(tmp_path):
    with pytest.raises(FileNotFoundError, match="Prepare the data again"):
        read_index(tmp_path)


def test_the_hull_of_the_landmarks_is_the_face():
    angle = np.linspace(0, np.pi, 17)
    landmarks = np.zeros((68, 2))
    landmarks[:17] = np.stack([32 - 20 * np.cos(angle), 32 + 20 * np.sin(angle)], 1)  # jaw line
    landmarks[17:27] = np.stack([np.linspace(14, 50, 10), np.full(10, 24)], 1)  # brows
    labels = hull_labels(landmarks, 64)
    assert labels[40, 32] == 2 and labels[26, 32] == 2
    assert labels[10, 32] == labels[60, 32] == labels[40, 5] == 0
    assert set(np.unique(labels)) == {0, 2}
