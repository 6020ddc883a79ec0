"""Takes the images of docs/comfyui.md: every template of `workflows/`, opened in ComfyUI's page and run there.

    PYTHONPATH=tests python tests/comfyui/make_images.py [NAME ...]

The base folder has no input files: what is seen here is what a first run brings.
"""

import argparse
import io
import json
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

from browser import launched_browser, open_page_in
from comfyui_client import ComfyUIClient
from comfyui_page import fit_view, load_ui_format, open_comfyui
from comfyui_process import ROOT, Installation, ServerProcess
from PIL import Image

WORKFLOWS = ROOT / "workflows"
IMAGES = ROOT / "docs" / "images" / "comfyui"
SIZE = (2400, 1350)  # px of the window; text is still read when the image is shown at half this width
MAX_RUN = 900  # seconds
CANVAS_LEVEL = 48  # grey level of 255; the canvas and its grid are darker, frames and nodes are brighter
SETTINGS = {"Comfy.Minimap.Visible": False, "Comfy.Graph.CanvasInfo": False, "LiteGraph.Canvas.MinFontSizeForLOD": 0}


def run_in_page(page, client: ComfyUIClient) -> None:
    """Press Run and wait for the end.

    Raises:
        RuntimeError: if the workflow does not end well.
    """
    before = set(client.get("/history"))
    page.evaluate("() => window.app.queuePrompt(0)")
    end = time.monotonic() + MAX_RUN
    while time.monotonic() < end:
        page.wait_for_timeout(500)
        new = [entry for name, entry in client.get("/history").items() if name not in before]
        if new:
            if new[0]["status"]["status_str"] != "success":
                raise RuntimeError(f"the run ended with {new[0]['status']}")
            return
    raise RuntimeError(f"the run did not end within {MAX_RUN} s")


def drawn_part(screenshot: bytes) -> Image.Image:
    """The graph in a screenshot, without the page's own bars and the empty canvas around it."""
    inside = Image.open(io.BytesIO(screenshot)).convert("RGB").crop((70, 150, SIZE[0] - 10, SIZE[1] - 70))
    left, top, right, bottom = inside.convert("L").point(lambda level: 255 * (level > CANVAS_LEVEL)).getbbox()
    return inside.crop((left - 20, top - 20, right + 20, bottom + 20))


def take_image(page, client: ComfyUIClient, name: str) -> None:
    """Open, run and photograph one template."""
    load_ui_format(page, json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8")))
    page.wait_for_timeout(1000)
    client.free()  # results that an earlier template left would be shown without their previews
    fit_view(page)  # nodes fetch their previews when they are seen
    run_in_page(page, client)
    fit_view(page)
    page.wait_for_timeout(3000)
    drawn_part(page.screenshot()).save(IMAGES / f"{name}.webp", quality=82)


def main() -> None:
    """Take the named images, or all."""
    parser = argparse.ArgumentParser(description="Write docs/images/comfyui/NAME.webp.")
    parser.add_argument("names", nargs="*", help="templates to open; all by default")
    options = parser.parse_args()
    installation = Installation.find()
    if installation is None:
        parser.error("no ComfyUI: run `make comfyui` or set COMFYUI_DIR")
    base = Path(tempfile.mkdtemp())
    server = ServerProcess(installation, base)
    try:
        client = ComfyUIClient(server)
        for name, value in SETTINGS.items():
            client.post(f"/settings/{name}", value)
        IMAGES.mkdir(parents=True, exist_ok=True)
        with launched_browser() as browser:
            for name in options.names or sorted(file.stem for file in WORKFLOWS.glob("*.json")):
                page = open_comfyui(partial(open_page_in, browser), client, *SIZE)
                take_image(page, client, name)
                page.close()
                print(IMAGES / f"{name}.webp")
    finally:
        server.stop()
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
