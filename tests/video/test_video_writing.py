"""Writing videos and folders of images."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from video_clips import moving_square

from diffusionact.video import VideoWriter, open_frames

RATE = Fraction(30000, 1001)
SIZE = (48, 64)
REPOSITORY = Path(__file__).resolve().parents[2]


def write(path, count=30, rate=RATE, size=SIZE, **options):
    with VideoWriter(path, rate, size, **options) as writer:
        for index in range(count):
            writer.write(moving_square(index, *size))
    return path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
@pytest.mark.parametrize("rate", [RATE, Fraction(25), Fraction(1000, 33)])
def test_rate_and_every_frame_are_kept(tmp_path, suffix, rate):
    source = open_frames(write(tmp_path / f"out{suffix}", rate=rate))
    assert source.frame_rate == rate and source.frame_count == 30
    frames = list(source)
    for index in (0, 15, 29):
        assert (frames[index].int() - moving_square(index).int()).abs().float().mean() < 3
    assert names(tmp_path) == [f"out{suffix}"]


def test_unwieldy_average_rate_is_brought_to_what_containers_can_hold(tmp_path):
    rate = Fraction(61_237 * 90_000, 183_919_993)
    source = open_frames(write(tmp_path / "out.mp4", rate=rate))
    assert float(source.frame_rate) == pytest.approx(float(rate), rel=1e-6)
    assert len(list(source)) == 30


def test_time_stamps_are_exact_multiples_of_the_frame_duration(tmp_path):
    with av.open(str(write(tmp_path / "out.mp4"))) as container:
        assert [frame.pts * frame.time_base for frame in container.decode(video=0)] == [n / RATE for n in range(30)]


def test_stream_is_ordinary_h264_with_bt709_tags(tmp_path):
    with av.open(str(write(tmp_path / "out.mp4"))) as container:
        frame = next(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
        assert (frame.format.name, frame.colorspace, frame.color_range) == ("yuv420p", 1, 1)


def test_saturated_colours_survive(tmp_path):
    for colour in ([255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]):
        frame = torch.tensor(colour, dtype=torch.uint8).expand(32, 32, 3)
        with VideoWriter(tmp_path / "out.mp4", RATE, (32, 32)) as writer:
            writer.write(frame)
        seen = next(iter(open_frames(tmp_path / "out.mp4")))
        assert (seen.int() - frame.int()).abs().max() <= 3


def test_odd_sides_are_padded_by_repeating_the_last_row_and_column(tmp_path):
    frame = next(iter(open_frames(write(tmp_path / "out.mp4", count=1, size=(47, 63), crf=1))))
    assert frame.shape == (48, 64, 3)
    assert (frame[:47, :63].int() - moving_square(0, 47, 63).int()).abs().float().mean() < 3
    assert (frame[47].int() - frame[46].int()).abs().max() <= 4


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_provenance_is_in_the_metadata_unless_switched_off(tmp_path, suffix):
    for provenance, expected in ((True, "AI-generated, DiffusionAct"), (False, None)):
        with av.open(str(write(tmp_path / f"out{suffix}", count=2, provenance=provenance))) as container:
            found = {key.lower(): value for key, value in container.metadata.items()}
        assert found.get("comment") == expected


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ""])
def test_interrupted_writer_leaves_nothing_and_keeps_the_older_file(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    if suffix:
        path.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, RATE, SIZE) as writer:
        writer.write(moving_square(0))
        raise KeyboardInterrupt
    assert names(tmp_path) == ([path.name] if suffix else [])
    assert not suffix or path.read_bytes() == b"older"


def test_video_without_frames_is_rejected_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"Expected at least one frame.*received none"):
        write(tmp_path / "out.mp4", count=0)
    assert names(tmp_path) == []


def test_path_without_suffix_becomes_a_folder_of_marked_png_files(tmp_path):
    source = open_frames(write(tmp_path / "frames", count=12, audio_from=None))
    assert names(tmp_path / "frames")[::11] == ["000000.png", "000011.png"]
    assert all(torch.equal(frame, moving_square(index)) for index, frame in enumerate(source))
    with Image.open(tmp_path / "frames" / "000003.png") as image:
        assert image.info["Comment"] == "AI-generated, DiffusionAct"
    with pytest.raises(FileExistsError, match="Expected .* a new or empty folder.*in use.*choose another"):
        write(tmp_path / "frames")
    (tmp_path / "empty").mkdir()
    assert len(names(write(tmp_path / "empty", count=2))) == 2


def test_wrong_frames_are_rejected(tmp_path):
    for frame in (moving_square(0, 50, 64), moving_square(0).float(), moving_square(0)[None]):
        message = r"Expected frame 0 of .*\(48, 64, 3\) uint8, received shape"
        with pytest.raises(ValueError, match=message), VideoWriter(tmp_path / "out.mp4", RATE, SIZE) as writer:
            writer.write(frame)
    assert names(tmp_path) == []


def test_wrong_arguments_are_rejected(tmp_path):
    with pytest.raises(ValueError, match=r"Expected an output ending in \.mp4, .*received .*out\.avi"):
        VideoWriter(tmp_path / "out.avi", RATE, SIZE)
    with pytest.raises(ValueError, match="Expected a positive frame rate, received 0"):
        VideoWriter(tmp_path / "out.mp4", 0, SIZE)
    with pytest.raises(ValueError, match=r"Expected crf in \[0, 51\], received 60"):
        VideoWriter(tmp_path / "out.mp4", RATE, SIZE, crf=60)


@pytest.mark.parametrize("suffix", [".mp4", ""])
def test_unwritable_outputs_are_rejected(tmp_path, suffix):
    (tmp_path / "file").touch()
    for folder, error in (("absent", FileNotFoundError), ("file", NotADirectoryError)):
        with pytest.raises(error, match="Expected an existing folder.*create it or choose another"):
            write(tmp_path / folder / f"out{suffix}")
    with pytest.raises(OSError, match=r"Expected .*received File name too long.*choose another output path"):
        write(tmp_path / ("n" * 300 + suffix))
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can create files")
@pytest.mark.parametrize("name", ["out.mp4", "out"])
def test_folder_without_write_access_is_rejected_before_the_first_frame(name):
    message = r"Expected to be able to write '/proc/out.*choose another output path"
    with pytest.raises(OSError, match=message), VideoWriter(f"/proc/{name}", RATE, SIZE):
        pytest.fail("the writer opened")


def test_full_disk_is_reported_and_nothing_is_left(tmp_path):
    """A limit on the size of files stands in for the full disk; it needs a process of its own."""
    pytest.importorskip("resource", reason="file size limits need a POSIX system")
    program = f"""
import resource, signal, sys, torch
from diffusionact.video import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    with VideoWriter({str(tmp_path / "out.mp4")!r}, 25, (128, 128)) as writer:
        for seed in range(100):
            writer.write((torch.rand(128, 128, 3) * 255).byte())
except OSError as error:
    sys.exit(str(error))
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=180)
    assert "Expected to write" in run.stderr and "check free space" in run.stderr, run.stderr
    assert names(tmp_path) == []


def test_two_writers_on_one_output_leave_one_whole_file(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, RATE, SIZE) as first:
        first.write(moving_square(0))
        with VideoWriter(path, RATE, SIZE) as second:
            for index in range(3):
                second.write(moving_square(index))
        first.write(moving_square(1))
    assert len(list(open_frames(path))) == 2 and names(tmp_path) == ["out.mp4"]


def test_driver_removed_while_it_is_read_is_read_to_its_end_or_named(tmp_path):
    source = tmp_path / "driving.mp4"
    with VideoWriter(source, RATE, SIZE) as writer:
        for index in range(20):
            writer.write(moving_square(index))
    clip = open_frames(source)
    frames = iter(clip)
    next(frames)
    source.unlink()
    assert len(list(frames)) == 19
    with pytest.raises((ValueError, OSError), match=r"driving\.mp4"):
        list(clip)
