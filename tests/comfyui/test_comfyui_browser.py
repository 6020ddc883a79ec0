"""As a user does it: open a template in ComfyUI's template browser, press Run, look at the result."""

import time

from clips import SavedVideo
from comfyui_page import fit_view, open_comfyui, open_template, press_run, set_widget
from comfyui_process import PACK_FOLDER

TEMPLATE, FRAMES = "video", 4


def wait_for_new_run(client, known: set[str], timeout: float = 240) -> dict:
    """The history entry of the next run that ends."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for name, entry in client.get("/history").items():
            if name not in known and entry["status"]["completed"] is not None:
                return entry
        time.sleep(0.5)
    raise TimeoutError(client.server.log()[-3000:])


def test_template_opens_from_the_browser_and_runs(comfyui_server, open_page, screenshots):
    known = set(comfyui_server.get("/history"))
    page = open_comfyui(open_page, comfyui_server, width=2400, height=1100)
    open_template(page, PACK_FOLDER, TEMPLATE)
    set_widget(page, "DiffusionAct_DemoMedia", "frames", FRAMES)
    press_run(page)
    entry = wait_for_new_run(comfyui_server, known)
    assert entry["status"]["status_str"] == "success"
    saved = [item for shown in entry["outputs"].values() for items in shown.values() for item in items]
    file = next(item for item in saved if isinstance(item, dict) and item["type"] == "output")
    path = comfyui_server.server.base / "output" / file["subfolder"] / file["filename"]
    assert len(SavedVideo.read(path).frames) == FRAMES
    page.wait_for_function("() => [...document.querySelectorAll('video')].some(video => video.src.includes('output'))")
    fit_view(page)
    page.screenshot(path=screenshots / "comfyui_template.png")
    assert [error for error in page.errors if "DiffusionAct" in error] == []
