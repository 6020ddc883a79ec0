"""A running app with a tiny model: another process, real uploads, real face reader."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from running_app import DEMO_MEDIA, RunningApp, start_app

from diffusionact.images import load_image
from diffusionact.video import VideoWriter


@pytest.fixture(scope="session")
def app(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One app for all tests."""
    process, running = start_app(tiny_model_folder, tmp_path_factory.mktemp("app"))
    yield running
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="session")
def photo_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app with the model photo."""
    process, running = start_app(Path("photo"), tmp_path_factory.mktemp("photo_app"))
    yield running
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="session")
def source_file() -> Path:
    """The demo's source photo."""
    return DEMO_MEDIA / "source.png"


@pytest.fixture(scope="session")
def driving_file() -> Path:
    """The demo's driving video, 100 frames."""
    return DEMO_MEDIA / "driving.mp4"


@pytest.fixture(scope="session")
def long_driving_file(driving_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same seven times, 700 frames: whoever renders it is busy until stopped, on any machine."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    with av.open(str(driving_file)) as clip, av.open(str(path), "w") as output:
        stream = clip.streams.video[0]
        copy, length = output.add_stream_from_template(stream), stream.duration
        for start in range(0, 7 * length, length):
            clip.seek(0)
            for packet in clip.demux(stream):
                if packet.size == 0:  # the last one, which only says that no more come
                    continue
                packet.pts, packet.dts, packet.stream = packet.pts + start, packet.dts + start, copy
                output.mux(packet)
    return path


@pytest.fixture(scope="session")
def faceless_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo without a face: a slope of grey."""
    path = tmp_path_factory.mktemp("faceless") / "wall.png"
    Image.fromarray(np.tile(np.linspace(60, 200, 256).astype(np.uint8), (256, 1))).save(path)
    return path


@pytest.fixture(scope="session")
def corrupt_file(driving_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose end is missing: its index lies there, so nothing can be read."""
    path = tmp_path_factory.mktemp("corrupt") / "cut_off.mp4"
    path.write_bytes(driving_file.read_bytes()[:50_000])
    return path


@pytest.fixture(scope="session")
def two_faces_file(source_file: Path, portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large face on the photo's left and a smaller one on its right."""
    canvas = Image.new("RGB", (640, 320), (120, 120, 120))
    canvas.paste(Image.open(source_file).resize((320, 320)), (0, 0))
    canvas.paste(Image.fromarray(portrait.numpy()).resize((200, 200)), (400, 60))
    path = tmp_path_factory.mktemp("two") / "two.png"
    canvas.save(path)
    return path


@pytest.fixture(scope="session")
def two_faces_clip(two_faces_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same people for two frames, half a second apart, so that motions are on their way in the second."""
    path, frame = tmp_path_factory.mktemp("two_clip") / "two.mp4", load_image(two_faces_file)
    with VideoWriter(path, Fraction(2), frame.shape[:2]) as writer:
        for _ in range(2):
            writer.write(frame)
    return path
