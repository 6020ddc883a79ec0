"""What one visitor can get of another: nothing, whatever sessions, events and paths they make up."""

import http.client
import json
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from gradio_client import Client, handle_file  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(app, source_file, tmp_path_factory) -> Path:
    """What another visitor made, where the server keeps it."""
    client = Client(app.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    before = set((app.files / "results").rglob("edited.png"))
    client.predict(handle_file(source_file), {"smile": 0.8}, api_name="/edit")
    (path,) = set((app.files / "results").rglob("edited.png")) - before
    return path


def answer(url: str, body: bytes | None = None) -> tuple[int, bytes, str]:
    """Status, content and headers of what the server says."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=300) as reply:
            try:
                return reply.status, reply.read(), str(reply.headers)
            except http.client.IncompleteRead as cut:  # the server drops streams that it has nothing for
                return reply.status, cut.partial, str(reply.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), str(error.headers)


def test_no_page_of_the_server_tells_where_results_lie(app, result):
    for page in ("/config", "/gradio_api/info", "/gradio_api/queue/status", "/gradio_api/app_id", "/monitoring"):
        assert result.parent.name.encode() not in answer(app.url + page)[1], page
    for folder in (app.files, app.files / "results", f"{app.files}/results/", f"{app.files}/results/*"):
        status, content, _ = answer(f"{app.url}/gradio_api/file={folder}")
        assert status in (403, 404) and result.parent.name.encode() not in content, folder
    assert answer(f"{app.url}/gradio_api/file={result.parent}")[0] in (403, 404)


@pytest.mark.parametrize("session", ["", "*", "%", "0", "null", "../", "8dc2cc88ba9c4816b9d294907f374619"])
def test_made_up_sessions_hear_of_no_events(app, result, session):
    status, content, _ = answer(f"{app.url}/gradio_api/queue/data?session_hash={session}")
    assert result.parent.name.encode() not in content
    assert status >= 400 or b"process_completed" not in content


def test_made_up_events_have_no_results(app, result):
    for event in ("", "*", "0", uuid.uuid4().hex):
        status, content, _ = answer(f"{app.url}/gradio_api/call/edit/{event}")
        assert result.parent.name.encode() not in content and b"complete" not in content, (event, status)


def test_made_up_sessions_stop_and_remove_nothing(app, result):
    for session in ("", "*", "null"):
        body = {"session_hash": session, "fn_index": 0, "event_id": "0"}
        answer(f"{app.url}/gradio_api/cancel", json.dumps(body).encode())
        answer(f"{app.url}/gradio_api/reset", json.dumps(body).encode())
    assert result.is_file()


def test_line_breaks_in_a_path_become_no_header(app):
    for path in ("x%0d%0aX-Evil:%201", f"{app.files}/x%0d%0aX-Evil:%201.png"):
        status, _, headers = answer(f"{app.url}/gradio_api/file={path}")
        assert status in (403, 404) and "X-Evil" not in headers
