"""The server over many runs and behind a proxy's path."""

import urllib.request

import psutil
import pytest

gradio = pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from gradio_client import Client, handle_file  # noqa: E402

from diffusionact_app import serving  # noqa: E402
from diffusionact_app.settings import AppSettings  # noqa: E402

pytestmark = pytest.mark.slow

MAX_GROWTH_MB = 30


def test_memory_does_not_grow_over_twelve_runs(app, source_file, driving_file, tmp_path):
    client = Client(app.url, verbose=False, download_files=str(tmp_path))
    process = psutil.Process(app.pid)
    sizes = []
    for _ in range(15):
        client.predict(handle_file(source_file), handle_file(driving_file), "fast", 4, False, api_name="/animate")
        sizes.append(process.memory_info().rss / 1024**2)
    # The first runs fill caches.
    assert max(sizes[12:]) - max(sizes[3:7]) < MAX_GROWTH_MB, sizes


@pytest.fixture
def served(monkeypatch):
    """`served(**settings)`: a page of one line, served as the app is; closed after the test."""
    pages = []

    def serve(**settings):
        with gradio.Blocks() as page:
            gradio.Markdown("A page")
        monkeypatch.setattr(serving, "make_page", lambda settings: page)
        pages.append(serving.serve(AppSettings(host="127.0.0.1", **settings), block=False))
        return page

    yield serve
    for page in pages:
        page.close()


def test_server_remembers_a_limited_number_of_visits(served):
    page = served()
    for number in range(2 * serving.MAX_VISITS):
        assert page.state_holder[f"visit {number}"]
    assert len(page.state_holder.session_data) <= serving.MAX_VISITS <= 500


def test_page_works_below_a_path(served):
    address = served(root_path="/faces").local_url
    with urllib.request.urlopen(f"{address}config", timeout=120) as answer:
        config = answer.read().decode()
    assert '"root":"http://127.0.0.1' in config.replace(" ", "") and "/faces" in config


def test_machine_too_busy_to_reach_itself_gets_a_second_try(served, monkeypatch):
    answers = [False, True]
    monkeypatch.setattr(gradio.networking, "url_ok", lambda url: answers.pop(0))
    with urllib.request.urlopen(served().local_url, timeout=120) as answer:
        assert answer.status == 200
    answers = [False, False]
    with pytest.raises(ConnectionError, match="NO_PROXY"):
        served()
