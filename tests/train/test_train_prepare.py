"""Videos of synthetic people -> tracked, cropped frames in shards."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.data.shards import list_shards, read_index, read_shard
from diffusionact.face.geometry.alignment import invert_transform, transform_points
from diffusionact.face.readers.open.face_model import OpenFaceModel
from portraits.frames import identity_frames
from portraits.head import Head
from train.commands.preparation import main
from train.data.frames import Frames
from train.data.pairs import FrameOrder, PairOrder
from train.preparation.records import BAD_CLIPS_NAME, FOLDER

REPOSITORY = Path(__file__).resolve().parents[2]
PEOPLE = 3
LENGTH = 3
FACE_PX = 128


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="session")
def people() -> list[list[np.ndarray]]:
    """Frames of synthetic people."""
    head = Head()
    return [
        [frame.image for frame in identity_frames(head, 3, person, LENGTH, FACE_PX, "sequence")]
        for person in range(PEOPLE)
    ]


@pytest.fixture(scope="session")
def videos(people, tmp_path_factory) -> Path:
    """Three people, one of them with a test clip; a file that is no video, and a video without a face."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "ann/one.mp4", people[0])
    write_video(folder / "ann/two.mp4", people[0][::-1])
    write_video(folder / "bob/one.mp4", people[1])
    write_video(folder / "cid/test/one.mp4", people[2])
    write_video(folder / "bob/wall.mp4", [np.full((FACE_PX, FACE_PX, 3), 90, np.uint8)] * 2)
    (folder / "bob/broken.mp4").write_bytes((folder / "bob/one.mp4").read_bytes()[:700])
    return folder


def arguments(videos: Path, output: Path, *more: str) -> list[str]:
    plain = {"--layout": "people", "--every": "1", "--size": "64", "--validation-every": "0", "--device": "cpu"}
    given = ["--input", str(videos), "--output", str(output), *more]
    return given + [word for name, value in plain.items() if name not in more for word in (name, value)]


@pytest.fixture(scope="session")
def prepared(videos, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("prepared")
    assert main(arguments(videos, output)) == 0
    return output


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the caches."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "cache" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_frame_of_the_good_clips_is_there_once(prepared):
    frames = [frame for shard in list_shards(prepared) for frame in read_shard(shard)]
    assert sorted((frame.clip, frame.frame) for frame in frames) == [
        (clip, number)
        for clip in ("ann/one.mp4", "ann/two.mp4", "bob/one.mp4", "cid/test/one.mp4")
        for number in range(LENGTH)
    ]
    assert len({frame.key for frame in frames}) == len(frames)
    index = read_index(prepared)
    assert index["count"] == len(frames) == sum(shard["count"] for shard in index["shards"])
    assert {shard["name"] for shard in index["shards"]} == {shard.name for shard in list_shards(prepared)}


def test_coefficients_draw_the_landmarks_of_their_image(prepared):
    model = OpenFaceModel.from_bundled()
    for frame in read_shard(list_shards(prepared)[0]):
        assert frame.image.shape == (64, 64, 3) and frame.labels is None
        assert frame.face.reader == "open"
        drawn = model.landmarks(frame.face.coefficients, model.camera_size)
        to_image = invert_transform(torch.from_numpy(frame.face.camera_crop)[None])
        error = (transform_points(to_image, drawn)[0].numpy() - frame.landmarks).__abs__().mean()
        assert error < 1.5
        eyes = (frame.landmarks[36:42].mean(0) + frame.landmarks[42:48].mean(0)) / 2
        np.testing.assert_allclose(eyes / 64, (0.5, 0.46), atol=0.05)  # where FFHQ's crop puts them


def test_bad_clips_are_listed_with_the_reason(prepared):
    bad = [json.loads(line) for line in (prepared / BAD_CLIPS_NAME).read_text().splitlines()]
    assert [entry["clip"] for entry in bad] == ["bob/broken.mp4", "bob/wall.mp4"]
    assert "Expected a complete video" in bad[0]["error"] and "No face found" in bad[1]["error"]


@pytest.mark.parametrize("cache", ["decoded", "none"])
def test_test_people_are_in_neither_training_nor_validation(prepared, cache):
    frames = Frames(prepared, 64, validation_every=2, cache=cache)
    assert len(frames) == 4 * LENGTH
    assert len(frames.training) == 2 * LENGTH and len(frames.validation) == LENGTH
    assert not set(frames.identity[frames.training]) & set(frames.identity[frames.validation])
    tested = set(range(len(frames))) - {*frames.training, *frames.validation}
    assert set(frames.identity[list(tested)]) == {2}


def test_pairs_of_videos_never_mix_people(prepared):
    frames = Frames(prepared, 64, validation_every=2)
    order = FrameOrder(frames.training, batch_size=len(frames.training))
    sources, targets = PairOrder(frames.video, order, frames.facts("head_pose"), distance_min=1.0).batch(0)
    assert (frames.identity[sources] == frames.identity[targets]).all()
    assert (frames.video[sources] == frames.video[targets]).all()
    assert (sources != targets).all()


def test_shards_and_their_decoded_copy_give_the_same_batches(prepared):
    decoded, streamed = (Frames(prepared, 64, 2, cache=cache) for cache in ("decoded", "none"))
    chosen = np.array([5, 0, 7])
    for name in ("image", "landmark_map", "region"):
        torch.testing.assert_close(decoded.images(name, chosen), streamed.images(name, chosen), rtol=0, atol=0)
    torch.testing.assert_close(decoded.targets(), streamed.targets(), rtol=0, atol=0)
    assert set(streamed.images("region", np.arange(len(streamed))).unique().tolist()) == {0, 2, 3}


@pytest.mark.slow
def test_workers_on_ray_write_the_same_shards(videos, prepared, tmp_path):
    pytest.importorskip("ray", reason="Ray (extra scale) is absent")
    assert main(arguments(videos, tmp_path / "ray", "--ray", "--ray-workers", "2")) == 0
    found = contents(tmp_path / "ray")
    assert json.loads(found.pop("ray_summary.json"))["failed"] == 0
    assert found == contents(prepared)


def test_the_same_command_again_changes_nothing(videos, prepared, tmp_path):
    output = tmp_path / "again"
    shutil.copytree(prepared, output)
    before = {path: path.stat().st_mtime_ns for path in output.glob("*.tar")}
    assert main(arguments(videos, output)) == 0
    assert {path: path.stat().st_mtime_ns for path in output.glob("*.tar")} == before


def test_a_mended_clip_is_prepared_and_the_others_are_left(videos, prepared, tmp_path):
    source, output = tmp_path / "videos", tmp_path / "prepared"
    shutil.copytree(videos, source)
    shutil.copytree(prepared, output)
    shutil.copy(source / "bob/one.mp4", source / "bob/broken.mp4")
    before = {path: path.stat().st_mtime_ns for path in output.glob("*.tar")}
    assert main(arguments(source, output)) == 0
    after = {path: path.stat().st_mtime_ns for path in output.glob("*.tar")}
    assert before.items() < after.items() and len(after) == len(before) + 1
    assert [json.loads(line)["clip"] for line in (output / BAD_CLIPS_NAME).open()] == ["bob/wall.mp4"]


def test_retry_looks_at_bad_clips_again(videos, prepared, tmp_path):
    output = tmp_path / "prepared"
    shutil.copytree(prepared, output)
    path = next(path for path in (output / FOLDER).glob("*.json") if "wall" in path.name)
    path.write_text(path.read_text().replace("No face found", "Out of memory"))
    assert main(arguments(videos, output)) == 0
    assert "Out of memory" in (output / BAD_CLIPS_NAME).read_text()
    assert main(arguments(videos, output, "--retry")) == 0
    assert contents(output) == contents(prepared)


def test_other_settings_in_the_same_folder_are_an_error(videos, prepared, capsys):
    before = contents(prepared)
    assert main(arguments(videos, prepared, "--size", "32")) == 2
    assert "another --output" in capsys.readouterr().err
    assert contents(prepared) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--part", "3/2"), "--part as I/N"),
        (("--every", "0"), "--every of at least 1"),
        (("--device", "cuda:99"), "Expected a device"),
        (("--test-list", "missing.txt"), "Check --test-list"),
    ],
)
def test_bad_arguments_end_with_a_message(videos, tmp_path, capsys, more, message):
    assert main(arguments(videos, tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.tar"))


def test_an_output_inside_the_input_is_an_error(videos, capsys):
    assert main(arguments(videos, videos / "out")) == 2
    assert "outside of --input" in capsys.readouterr().err


def test_cropped_images_are_kept_as_they_are(people, tmp_path):
    folder = tmp_path / "in" / "id10271" / "abcdefghijk" / "frames_cropped"
    folder.mkdir(parents=True)
    for number, frame in enumerate(people[0]):
        Image.fromarray(frame).save(folder / f"00_{number:06d}.png")
    more = ("--size", str(FACE_PX), "--layout", "auto", "--picture-format", "png")
    assert main(arguments(tmp_path / "in", tmp_path / "out", *more)) == 0
    frames = list(read_shard(list_shards(tmp_path / "out")[0]))
    for frame, image in zip(frames, people[0], strict=True):
        np.testing.assert_array_equal(frame.image, image)
    assert {frame.identity for frame in frames} == {"id10271"} and {frame.split for frame in frames} == {"test"}


def test_after_a_cut_in_a_video_only_the_longer_part_is_kept(people, tmp_path):
    blank = np.full_like(people[0][0], 60)
    left = [np.concatenate([frame, blank], 1) for frame in people[0][:2]]
    right = [np.concatenate([blank, frame], 1) for frame in people[1]]
    write_video(tmp_path / "in/cut.mp4", left + right)
    assert main(arguments(tmp_path / "in", tmp_path / "out", "--layout", "clips")) == 0
    (shard,) = list_shards(tmp_path / "out")
    assert [frame.frame for frame in read_shard(shard)] == [2, 3, 4]


def test_at_most_so_many_frames_are_taken_evenly(people, tmp_path):
    write_video(tmp_path / "in/long.mp4", people[0] * 4)
    assert main(arguments(tmp_path / "in", tmp_path / "out", "--layout", "clips", "--max-frames", "3")) == 0
    (shard,) = list_shards(tmp_path / "out")
    assert [frame.frame for frame in read_shard(shard)] == [0, 4, 8]


def start(command: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    script = [sys.executable, "train/prepare.py", *command]
    return subprocess.Popen(script, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_workers_and_two_parts_write_what_one_writes(videos, prepared, tmp_path):
    process = start(arguments(videos, tmp_path / "workers", "--workers", "2"))
    assert process.wait(timeout=600) == 0, process.stderr.read()
    assert contents(tmp_path / "workers") == contents(prepared)
    for part in ("2/2", "1/2"):
        assert main(arguments(videos, tmp_path / "parts", "--part", part)) == 0
    assert contents(tmp_path / "parts") == contents(prepared)


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_as_one_that_was_not(videos, prepared, tmp_path):
    output, command = tmp_path / "killed", arguments(videos, tmp_path / "killed", "--workers", "2")
    process = start(command)
    deadline = time.monotonic() + 500
    while not list(output.glob("*.tar")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in output.glob("*.tar")}
    assert finished
    process = start(command)
    assert process.wait(timeout=600) == 0, process.stderr.read()
    recorded = {path: path.stat().st_mtime_ns for path in finished}
    assert sum(recorded[path] == finished[path] for path in finished) >= len(finished) - 2  # records come after shards
    assert contents(output) == contents(prepared)
