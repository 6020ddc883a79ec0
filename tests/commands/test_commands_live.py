"""`diffusionact live` with a video file as the camera, and its page."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress

import av
import pytest
from PIL import Image

from diffusionact.cli import main
from diffusionact.commands.demo import DEMO_MEDIA
from diffusionact.commands.live_page import LivePage

CLIP = DEMO_MEDIA / "photo_driving.mp4"
PHOTO = DEMO_MEDIA / "photo.jpg"


def live(*words, photo=PHOTO, camera=CLIP):
    return main(["live", str(photo), "--camera", str(camera), "--size", "256", "--no-browser", *map(str, words)])


@pytest.mark.slow
def test_a_clip_moves_the_photo_into_a_file(tmp_path, caplog):
    caplog.set_level("INFO")
    assert live("--calibrate", "--record", tmp_path / "out.mp4") == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert "AI-generated, DiffusionAct" in container.metadata.values()
    assert frames[0].shape == (256, 256, 3)
    assert any(abs(frame.astype(int) - frames[0]).mean() > 1 for frame in frames)
    assert "of the camera dropped" in caplog.text and "Recorded into" in caplog.text


@pytest.mark.slow
def test_stop_on_the_page_ends_a_looped_clip():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result, address = [], f"http://127.0.0.1:{port}"
    running = threading.Thread(target=lambda: result.append(live("--loop", "--port", port)))
    running.start()
    status = first_status(address)
    assert status["found"] and "frames/s" in status["text"] and "ms delay" in status["text"]
    post(address + "/stop")
    running.join(300)
    assert result == [0]


def first_status(address):
    """Wait until frames are shown."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(OSError):
            if status := json.loads(get(address + "/status")):
                return status
        time.sleep(0.1)
    raise AssertionError("no frame was shown")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"camera": "/dev/video97"}, "Expected a camera at '/dev/video97'"),
        ({"camera": "nowhere.mp4"}, "received 'nowhere.mp4' where nothing lies"),
        ({"photo": "nobody.jpg"}, "Expected an image file, received 'nobody.jpg'"),
        ({"photo": "wall.png"}, "No face found in the image"),
    ],
)
def test_bad_photos_and_cameras_are_explained(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), (120, 120, 120)).save("wall.png")
    assert live(**words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_recording_of_another_kind_is_rejected_at_once(tmp_path, capsys):
    assert live("--record", tmp_path / "out.gif") == 2
    assert "Expected an output ending in .mp4, .mov, .mkv" in capsys.readouterr().err


@pytest.fixture
def page():
    with LivePage() as page:
        page.show({"result": b"\xff\xd8one\xff\xd9"}, {"text": "10.0 frames/s"})
        yield page


def get(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=120) as answer:
        return answer.read()


def post(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, b"", headers), timeout=120) as answer:
        return answer.status


def test_the_page_says_what_it_shows(page):
    assert b"AI-generated, DiffusionAct" in get(page.address + "/")
    assert json.loads(get(page.address + "/status")) == {"text": "10.0 frames/s"}


def test_images_come_one_after_the_other(page):
    with urllib.request.urlopen(page.address + "/result.mjpg", timeout=120) as stream:
        assert stream.readline() == b"--frame\r\n"
        head = [stream.readline() for _ in range(3)]
        assert head == [b"Content-Type: image/jpeg\r\n", b"Content-Length: 7\r\n", b"\r\n"]
        assert stream.read(9) == b"\xff\xd8one\xff\xd9\r\n"
        page.show({"result": b"two"}, {})
        assert [stream.readline() for _ in range(4)][2] == b"Content-Length: 3\r\n"
        assert stream.read(3) == b"two"


def test_buttons_are_pressed_once(page):
    assert post(page.address + "/calibrate", Origin=page.address) == 200
    assert page.take_order("calibrate") and not page.take_order("calibrate")


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_other_sites_may_not_give_orders(page, headers):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        post(page.address + "/stop", **headers)
    assert not page.take_order("stop")


def test_other_sites_may_not_look(page):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(page.address + "/result.mjpg", Host="evil.example")


def test_a_taken_port_is_explained(page):
    port = int(page.address.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="Expected a free port"):
        LivePage(port)
