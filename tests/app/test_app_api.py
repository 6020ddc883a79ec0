"""The app's doors without a browser: the documented API, what is served, what is rejected."""

import json
import socketserver
import urllib.error
import urllib.request
from pathlib import Path

import av
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from gradio_client import Client, handle_file  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(app, tmp_path_factory) -> Client:
    return Client(app.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def animate(client, source, driving, frames=2):
    return client.predict(handle_file(source), handle_file(driving), "fast", frames, False, api_name="/animate")


def test_documented_call_animates_a_photo(client, source_file, driving_file):
    videos = animate(client, source_file, driving_file)
    for video in videos:
        with av.open(video["video"] if isinstance(video, dict) else video) as container:
            assert sum(1 for _ in container.decode(video=0)) == 2
            assert container.streams.video[0].average_rate == 25


def test_documented_call_edits_a_photo(client, source_file):
    with Image.open(client.predict(handle_file(source_file), {"smile": 0.8, "yaw": 10}, api_name="/edit")) as image:
        assert image.size == (32, 32)
        assert image.info["Comment"] == "AI-generated, DiffusionAct"


def test_documented_call_changes_a_clip(client, driving_file):
    options = {"take": "lips, gaze", "driver_end": "loop", "end": 0.04, "eye_contact": 0.5}
    source, driving = handle_file(driving_file), handle_file(driving_file)
    videos = client.predict(source, driving, "", options, "fast", 2, api_name="/animate_clip")
    for video in videos:
        with av.open(video["video"] if isinstance(video, dict) else video) as container:
            assert sum(1 for _ in container.decode(video=0)) == 2


def test_documented_call_moves_a_group(client, two_faces_file, driving_file):
    drive, driving = {"0": "laugh", "500,160": "driving_1"}, handle_file(driving_file)
    given = handle_file(two_faces_file), drive, driving, None, None, {"relative": True}, "fast", 2
    _, full = client.predict(*given, api_name="/animate_group")
    with av.open(full["video"] if isinstance(full, dict) else full) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(640, 320)] * 2


def test_documented_call_changes_a_group_in_a_clip(client, two_faces_clip, driving_file):
    drive, driving = {"all": "own", "500,160": "driving_1"}, handle_file(driving_file)
    options = {"take": "lips", "eye_contact": 1, "driver_end": "hold", "end": 0.04}
    given = handle_file(two_faces_clip), drive, driving, None, None, options, "fast", 1
    _, full = client.predict(*given, api_name="/animate_group_clip")
    with av.open(full["video"] if isinstance(full, dict) else full) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(640, 320)]


@pytest.mark.parametrize(
    ("drive", "options", "message"),
    [
        ({}, {}, "Expected drive as"),
        ({"0": "/etc/passwd"}, {}, "Expected faces to do one of idle, "),
        ({"0": "driving_2"}, {}, "Expected faces to do one of idle, "),
        ({"0": "nod"}, {"nose": 1}, "Expected options among start, "),
        ({"0": "nod"}, {"seconds": "long"}, "Expected seconds such as 0, received 'long'"),
    ],
)
def test_groups_that_make_no_sense_are_explained(client, two_faces_file, drive, options, message):
    given = handle_file(two_faces_file), drive, None, None, None, options, "fast", 2
    with pytest.raises(AppError, match=message):
        client.predict(*given, api_name="/animate_group")


def test_documented_calls_keep_their_names_and_order(client):
    calls = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    labels = {name: [parameter["label"] for parameter in call["parameters"]] for name, call in calls.items()}
    of_groups = ["source", "drive", "driving_1", "driving_2", "driving_3", "options", "quality", "frames"]
    assert labels == {
        "/animate": ["source", "driving", "quality", "frames", "relative"],
        "/edit": ["source", "sliders"],
        "/animate_clip": ["source", "driving", "motion", "options", "quality", "frames"],
        "/animate_group": of_groups,
        "/animate_group_clip": of_groups,
    }


def test_api_explains_errors_in_plain_words(client, app, faceless_file, driving_file):
    with pytest.raises(AppError) as raised:
        animate(client, faceless_file, driving_file)
    message = str(raised.value)
    assert "No face found in the image" in message
    assert str(app.files) not in message and "Traceback" not in message


def test_broken_photo_is_explained_in_plain_words(client, app, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(AppError, match=r"received 'broken\.png', which does not") as raised:
        client.predict(handle_file(tmp_path / "broken.png"), {}, api_name="/edit")
    assert str(app.files) not in str(raised.value)


@pytest.mark.parametrize("sliders", [["smile"], {"smile": "much"}, None])
def test_sliders_of_another_kind_are_rejected(client, source_file, sliders):
    with pytest.raises(AppError, match="Expected sliders as"):
        client.predict(handle_file(source_file), sliders, api_name="/edit")


def test_unknown_slider_is_rejected(client, source_file):
    with pytest.raises(AppError, match="Expected sliders among .* received nose"):
        client.predict(handle_file(source_file), {"nose": 1.0}, api_name="/edit")


def test_pickle_is_rejected_whatever_it_is_called(client, source_file, tmp_path):
    marker = tmp_path / "ran"
    pickle = tmp_path / "pose.pkl"
    pickle.write_bytes(f"cos\nsystem\n(S'touch {marker}'\ntR.".encode())
    renamed = tmp_path / "pose.mp4"
    renamed.write_bytes(pickle.read_bytes())
    for file in (pickle, renamed):
        with pytest.raises(AppError, match="Expected a complete video"):
            animate(client, source_file, file)
    assert not marker.exists()


def test_files_outside_the_upload_folder_are_not_served(app):
    for path in ("/etc/passwd", Path(__file__).resolve(), app.log, f"{app.files}/../app.log"):
        assert status_of(f"{app.url}/gradio_api/file={path}") in (403, 404)


def test_paths_of_the_server_are_not_taken_as_uploads(app, source_file):
    data = [{"path": str(Path("/etc/passwd")), "meta": {"_type": "gradio.FileData"}}, {"smile": 0.5}]
    request = urllib.request.Request(
        f"{app.url}/gradio_api/call/edit", json.dumps({"data": data}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/edit/{event}", timeout=300) as answer:
        assert "event: error" in answer.read().decode()


@pytest.mark.parametrize("name", ["../../../evil.png", "/etc/evil.png", "evil.png\r\nX-Evil: 1", "<script>.png"])
def test_name_of_an_upload_leads_nowhere(app, source_file, name):
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    body = head + source_file.read_bytes() + b"\r\n--x--\r\n"
    request = urllib.request.Request(
        f"{app.url}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            (path,) = json.load(answer)
            assert "X-Evil" not in answer.headers
    except urllib.error.HTTPError as error:
        assert 400 <= error.code < 500
        return
    assert Path(path).resolve().is_relative_to(app.files.resolve()) and "<" not in path and "\n" not in path


def test_addresses_are_not_fetched_in_place_of_uploads(app, source_file):
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as listener:
        listener.timeout, asked = 3, []
        listener.process_request = lambda request, address: asked.append(address)
        url = f"http://127.0.0.1:{listener.server_address[1]}/face.png"
        data = [{"path": url, "url": url, "meta": {"_type": "gradio.FileData"}}, {"smile": 0.5}]
        request = urllib.request.Request(
            f"{app.url}/gradio_api/call/edit", json.dumps({"data": data}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            json.load(answer)
        listener.handle_request()
    assert asked == []


def test_telemetry_and_monitoring_are_off(app):
    with urllib.request.urlopen(f"{app.url}/config", timeout=120) as answer:
        config = json.load(answer)
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert status_of(f"{app.url}/monitoring/summary") in (403, 404)
