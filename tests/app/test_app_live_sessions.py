"""Visitors with a camera, without a browser: who has what, and when it is let go."""

import base64
import io

import av
import pytest
import torch
from PIL import Image

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.face.errors import NoFaceFoundError  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact_app.examples import EXAMPLES  # noqa: E402
from diffusionact_app.live_sessions import CALIBRATED, NO_FACE, NO_PHOTO, LiveSessions  # noqa: E402
from diffusionact_app.sessions import Sessions  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return SharedModel(DiffusionActPipeline.from_pretrained("photo"), "photo")


@pytest.fixture
def live(model, tmp_path):
    return LiveSessions(model, Sessions(tmp_path / "results", 60), max_seconds=60)


@pytest.fixture(scope="module")
def face():
    return next(iter(open_frames(EXAMPLES[0].driving)))


def test_a_frame_comes_back_as_a_marked_image(live, face):
    assert live.step("me", face)["note"] == NO_PHOTO
    live.choose("me", EXAMPLES[0].source, 256, 0.3)
    update = live.step("me", face)
    kind, data = update["src"].split(",", 1)
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert kind == "data:image/jpeg;base64" and image.size == (256, 256)
        assert image.info["comment"] == b"AI-generated, DiffusionAct"
    assert update["milliseconds"] > 0 and update["recorded"] is None


def test_calibrating_and_losing_the_face_are_told(live, face):
    assert not live.calibrate("me")
    live.choose("me", EXAMPLES[0].source, 256, 0.3)
    live.step("me", face)
    assert live.calibrate("me")
    assert live.step("me", face)["note"] == CALIBRATED
    assert live.step("me", torch.full_like(face, 128))["note"] == NO_FACE


def test_a_recording_is_finished_when_the_camera_stops(live, face):
    live.choose("me", EXAMPLES[0].source, 256, 0.3)
    assert not live.start_recording("me")
    live.step("me", face)
    assert live.start_recording("me") and live.is_recording("me")
    assert live.step("me", face)["recorded"] == 0
    live.step("me", face)
    path = live.rest("me")
    with av.open(str(path)) as container:
        assert "AI-generated, DiffusionAct" in container.metadata.values()
        assert sum(1 for _ in container.decode(video=0)) > 1
    assert live.running == 0 and not live.is_recording("me")


def test_visitors_are_apart_and_leave_nothing_behind(live, face, tmp_path):
    for name, example in zip(("me", "you"), EXAMPLES, strict=True):
        live.choose(name, example.source, 256, 0.3)
    mine, yours = live.step("me", face), live.step("you", face)
    assert mine["src"] != yours["src"] and live.running == 2
    live.start_recording("me")
    live.step("me", face)
    live.close("me")
    assert live.running == 1
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []
    assert live.step("me", face)["note"] == NO_PHOTO


def test_a_silent_camera_is_let_go(live, face, monkeypatch):
    monkeypatch.setattr("diffusionact_app.live_sessions.IDLE_S", 0.0)
    live.choose("me", EXAMPLES[0].source, 256, 0.3)
    live.step("me", face)
    live.calibrate("you")
    assert live.running == 0


def test_a_photo_without_a_face_is_rejected_when_it_is_chosen(live, faceless_file):
    with pytest.raises(NoFaceFoundError, match="Source"):
        live.choose("me", faceless_file, 256, 0.3)


def test_a_model_of_one_size_renders_in_its_turn(tiny_model_folder, face, tmp_path):
    model = SharedModel(DiffusionActPipeline.from_pretrained(tiny_model_folder))
    live = LiveSessions(model, Sessions(tmp_path / "results", 60), max_seconds=60)
    live.choose("me", EXAMPLES[0].source, 256, 0.3)
    data = live.step("me", face)["src"].split(",", 1)[1]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (32, 32)
