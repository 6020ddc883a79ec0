"""The command from its arguments to its files, with a tiny model."""

import json
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from diffusionact.cli import main


def write_clip(path, frames, rate=Fraction(30000, 1001)):
    """A small H.264 clip of uint8 frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        container.mux(stream.encode())


def read_clip(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return frames, container.streams.video[0].average_rate, dict(container.metadata)


@pytest.fixture(scope="module")
def face(portrait):
    return portrait.numpy()


@pytest.fixture
def source(face, tmp_path):
    Image.fromarray(face).save(tmp_path / "source.png")
    return tmp_path / "source.png"


@pytest.fixture
def driving(face, tmp_path):
    write_clip(tmp_path / "driving.mp4", [np.roll(face, 3 * index, axis=1) for index in range(4)])
    return tmp_path / "driving.mp4"


@pytest.fixture
def reenact(tiny_model_folder, tmp_path):
    """Run `reenact` into out.mp4; returns (exit code, output path)."""

    def run(source, driving, *options, output="out.mp4"):
        path = tmp_path / output
        words = ["reenact", str(source), str(driving), "-o", str(path), "--model", str(tiny_model_folder)]
        return main([*words, "--device", "cpu", "--dtype", "float32", *options]), path

    return run


def test_reenact_keeps_frame_count_and_exact_rate_and_marks_the_video(reenact, source, driving):
    code, path = reenact(source, driving)
    assert code == 0
    frames, rate, metadata = read_clip(path)
    assert len(frames) == 4
    assert rate == Fraction(30000, 1001)
    assert "AI-generated, DiffusionAct" in metadata.values()


def test_side_by_side_shows_three_panels(reenact, source, driving):
    code, path = reenact(source, driving, "--side-by-side")
    assert code == 0
    assert read_clip(path)[0][0].shape == (256, 768, 3)


def test_paste_back_keeps_the_source_images_size_and_far_pixels(reenact, source, driving, face):
    code, path = reenact(source, driving, "--paste-back", "--match-colour")
    assert code == 0
    frame = read_clip(path)[0][0]
    assert frame.shape == face.shape
    assert np.abs(frame[-16:, :16].astype(int) - face[-16:, :16]).mean() < 6, "corners are the source's own"


def test_report_holds_the_promised_figures(reenact, source, driving, tmp_path):
    code, _ = reenact(source, driving, "--report", str(tmp_path / "report.json"))
    assert code == 0
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["frames"] == 4
    assert {"yaw_r", "pitch_r", "jaw_open_r", "landmark_nme_percent", "identity_cosine"} <= set(figures)
    assert figures["seconds_per_frame"] > 0 and figures["peak_memory_mb"] > 0


def test_one_image_drives_one_image(reenact, source):
    code, path = reenact(source, source, output="out.png")
    assert code == 0
    image = Image.open(path)
    assert image.size == (32, 32)
    assert "AI-generated, DiffusionAct" in image.text.values()


def test_an_encoded_source_gives_the_same_video_as_the_image(reenact, source, driving, tiny_model_folder, tmp_path):
    saved = tmp_path / "saved.safetensors"
    words = ["encode", str(source), "-o", str(saved), "--model", str(tiny_model_folder)]
    assert main([*words, "--device", "cpu", "--dtype", "float32"]) == 0
    _, from_image = reenact(source, driving, output="a.mp4")
    code, from_saved = reenact(saved, driving, output="b.mp4")
    assert code == 0
    assert np.array_equal(read_clip(from_image)[0], read_clip(from_saved)[0])


def test_an_input_is_never_overwritten(reenact, source, driving, capsys):
    before = driving.read_bytes()
    code, path = reenact(source, driving, output=driving.name)
    assert code == 2 and path == driving
    assert "is an input" in capsys.readouterr().err
    assert driving.read_bytes() == before


def test_a_folder_of_files_is_never_replaced(reenact, source, driving, tmp_path, capsys):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "mine.txt").write_text("mine")
    code, path = reenact(source, driving, output="frames")
    assert code == 2 and (path / "mine.txt").read_text() == "mine"
    assert "in use" in capsys.readouterr().err


def test_a_clip_is_not_squeezed_into_one_image(reenact, source, driving, capsys):
    code, path = reenact(source, driving, output="out.png")
    assert code == 2 and not path.exists()
    assert "4 frames" in capsys.readouterr().err


def test_solvers_that_leave_the_range_can_be_pasted_back(reenact, source, driving):
    code, path = reenact(source, driving, "--scheduler", "dpm", "--paste-back")
    assert code == 0 and path.exists()


def test_frames_without_a_face_are_reported(reenact, source, face, tmp_path):
    write_clip(tmp_path / "gap.mp4", [face, np.full_like(face, 110), face])
    code, _ = reenact(source, tmp_path / "gap.mp4", "--report", str(tmp_path / "report.json"))
    assert code == 0
    assert json.loads((tmp_path / "report.json").read_text())["driving_frames_without_a_face"] == 1


@pytest.fixture(scope="module")
def nan_model_folder(tiny_model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nan") / "model"
    shutil.copytree(tiny_model_folder, folder)
    file = next((folder / "unet").glob("*.safetensors"))
    weights = load_file(file)
    weights["conv_in.bias"][0] = float("nan")
    save_file(weights, file)
    return folder


def blank(path):
    Image.new("RGB", (160, 160), (90, 120, 90)).save(path)


def truncated(path, clip):
    data = clip.read_bytes()
    path.write_bytes(data[: len(data) // 3])


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("no face in source", "face"),
        ("no face in driver", "face"),
        ("truncated video", "Expected"),
        ("empty file", "Expected"),
        ("missing driver", "Expected"),
        ("missing model", "Expected"),
        ("model folder without weights", "Expected"),
        ("weights with NaN", "finite"),
        ("unwritable output", "Expected"),
        ("absurd steps", "--steps"),
        ("steps without a stride", "steps"),
        ("absurd chunk", "--chunk-size"),
        ("absurd gain", "expression_gain"),
        ("absurd threshold", "--threshold"),
        ("unknown device", "device"),
        ("device without values", "device"),
        ("source face out of range", "1 face"),
        ("unknown suffix", "Expected"),
    ],
)
def test_bad_input_exits_with_2_a_message_and_no_file(
    problem, expected, reenact, source, driving, tiny_model_folder, tmp_path, capsys, nan_model_folder
):
    bad, options, output = tmp_path / "bad.png", [], "result/out.mp4"
    (tmp_path / "result").mkdir()
    if problem == "no face in source":
        blank(bad)
        source = bad
    elif problem == "no face in driver":
        blank(bad)
        driving = bad
    elif problem == "truncated video":
        truncated(tmp_path / "cut.mp4", driving)
        driving = tmp_path / "cut.mp4"
    elif problem == "empty file":
        driving = tmp_path / "empty.mp4"
        driving.write_bytes(b"")
    elif problem == "missing driver":
        driving = tmp_path / "nowhere.mp4"
    elif problem == "missing model":
        options = ["--model", str(tmp_path / "no_model")]
    elif problem == "model folder without weights":
        (tmp_path / "hollow").mkdir()
        options = ["--model", str(tmp_path / "hollow")]
    elif problem == "weights with NaN":
        options = ["--model", str(nan_model_folder)]
    elif problem == "unwritable output":
        (tmp_path / "file").write_text("")
        output = "file/out.mp4"
    elif problem == "absurd steps":
        options = ["--steps", "-3"]
    elif problem == "steps without a stride":
        options = ["--steps", "999"]
    elif problem == "absurd chunk":
        options = ["--chunk-size", "0"]
    elif problem == "absurd threshold":
        options = ["--threshold", "7"]
    elif problem == "absurd gain":
        options = ["--gain", "1e9"]
    elif problem == "unknown device":
        options = ["--device", "toaster"]
    elif problem == "device without values":
        options = ["--device", "meta"]
    elif problem == "source face out of range":
        options = ["--source-face", "5"]
    elif problem == "unknown suffix":
        output = "result/out.exe"
    code, path = reenact(source, driving, *options, output=output)
    message = capsys.readouterr().err
    assert code == 2
    assert expected in message and "Traceback" not in message
    assert not path.exists()
    assert not list((tmp_path / "result").iterdir()), "no half-written file"


def test_a_motion_takes_the_place_of_a_driver_and_can_be_kept(source, tiny_model_folder, tmp_path, capsys):
    words = ["reenact", str(source), "--model", str(tiny_model_folder), "--device", "cpu", "--dtype", "float32"]
    kept, first, again = tmp_path / "nod.safetensors", tmp_path / "first.mp4", tmp_path / "again.mp4"
    motion = ["--motion", "nod", "--seconds", "0.3", "--frame-rate", "10", "--seamless", "--save-poses", str(kept)]
    assert main([*words, *motion, "-o", str(first)]) == 0
    frames, rate, _ = read_clip(first)
    assert (len(frames), rate) == (3, 10)
    assert main([*words, "--motion", str(kept), "-o", str(again)]) == 0
    np.testing.assert_array_equal(read_clip(again)[0], frames)
    assert main([*words, "-o", str(tmp_path / "neither.mp4")]) == 2
    assert "received neither" in capsys.readouterr().err


def test_a_clip_is_a_source_too(reenact, driving, source, capsys):
    few = ["--steps", "2", "--inversion-steps", "2", "--source-end", "0.08"]
    code, path = reenact(driving, driving, "--take", "lips,gaze", *few)
    assert code == 0
    frames, rate, _ = read_clip(path)
    assert (len(frames), rate) == (3, Fraction(30000, 1001))
    assert frames[0].shape == read_clip(driving)[0][0].shape
    assert reenact(driving, source, "--take", "ears", output="wrong.mp4")[0] == 2
    assert "'ears'" in capsys.readouterr().err
    assert reenact(driving, driving, "--side-by-side", output="wrong.mp4")[0] == 2
    assert "--side-by-side" in capsys.readouterr().err


def test_faces_have_drivers_of_their_own(face, driving, tiny_model_folder, tmp_path, capsys):
    Image.fromarray(np.concatenate([face, face], axis=1)).save(tmp_path / "two.png")
    words = ["reenact", str(tmp_path / "two.png"), "--model", str(tiny_model_folder), "--device", "cpu"]
    words += ["--dtype", "float32", "--steps", "2", "--inversion-steps", "2", "-o", str(tmp_path / "out.mp4")]
    assert main([*words, "--drive", f"0={driving}", "--drive", f"{1.5 * face.shape[1]},90=nod"]) == 0
    frames, rate, _ = read_clip(tmp_path / "out.mp4")
    assert (len(frames), rate) == (4, Fraction(30000, 1001))
    assert frames[0].shape == (face.shape[0], 2 * face.shape[1], 3)
    assert main([*words, "--overwrite", "--drive", "left=nod"]) == 2
    assert "'left'" in capsys.readouterr().err
