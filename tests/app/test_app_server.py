"""The server over many runs and behind a proxy's path."""

import shutil
import urllib.request

import psutil
import pytest

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from gradio_client import Client, handle_file  # noqa: E402
from running_app import start_app  # noqa: E402

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


def test_server_remembers_a_limited_number_of_visits(monkeypatch):
    import gradio

    from diffusionact_app import serving
    from diffusionact_app.settings import AppSettings

    with gradio.Blocks() as page:
        gradio.Markdown("A page")
    monkeypatch.setattr(serving, "make_page", lambda settings: page)
    serving.serve(AppSettings(host="127.0.0.1"), block=False)
    try:
        for number in range(2 * serving.MAX_VISITS):
            assert page.state_holder[f"visit {number}"]
        assert len(page.state_holder.session_data) <= serving.MAX_VISITS <= 500
    finally:
        page.close()


def test_page_works_below_a_path(tiny_model_folder, tmp_path):
    process, running = start_app(tiny_model_folder, tmp_path, "--root-path", "/faces")
    try:
        with urllib.request.urlopen(f"{running.url}/config", timeout=120) as answer:
            config = answer.read().decode()
        assert '"root":"http://127.0.0.1' in config.replace(" ", "") and "/faces" in config
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(running.files, ignore_errors=True)
