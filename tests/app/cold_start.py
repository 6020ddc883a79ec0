"""Seconds from the command to the page and to results: `PYTHONPATH=.:tests:tests/app python tests/app/cold_start.py`.

Starts the app with the model photo, opens it in a headless browser, previews the first example, and animates 25 frames
of it, one second of video. Best of three starts; times count from the command, but for the preview from its click.
"""

import os
import subprocess
import sys
import tempfile
import time

from browser import launched_browser
from running_app import REPOSITORY
from visitor import Visitor

PORT = 7899
FRAMES = 25
MARKS = ("page answers", "page is drawn", "preview after its click", "first frame", f"{FRAMES} frames, as video")


def once() -> list[float]:
    """Seconds to each of MARKS."""
    with tempfile.TemporaryDirectory() as files, launched_browser() as browser:
        started = time.perf_counter()
        words = [sys.executable, "gradio_app.py", "--port", str(PORT)]
        app = subprocess.Popen(words, cwd=REPOSITORY, env=os.environ | {"GRADIO_TEMP_DIR": files})
        try:
            return measure(browser, lambda: time.perf_counter() - started)
        finally:
            app.terminate()
            app.wait(30)


def measure(browser, clock) -> list[float]:
    page = browser.new_page()
    marks = []
    while not marks:
        try:
            page.goto(f"http://127.0.0.1:{PORT}")
            marks.append(clock())
        except Exception:  # playwright's error for a server that is not there yet
            time.sleep(0.1)
    visitor = Visitor(page)
    marks.append(clock())
    page.locator("#examples button").first.click()
    visitor.few_frames(FRAMES)
    before = clock()
    page.locator("#animate-preview").click()
    visitor.video("preview-clip")
    marks.append(clock() - before)
    page.locator("#animate-start").click()
    page.wait_for_selector("#stage img")
    marks.append(clock())
    visitor.wait_for_text("animate-status", "Done")
    visitor.video("side-by-side")
    return [*marks, clock()]


if __name__ == "__main__":
    runs = [once() for _ in range(3)]
    threads = os.environ.get("OMP_NUM_THREADS", "chosen by the app")
    print(f"torch threads: {threads}; load of the machine: {os.getloadavg()}")
    for mark, *seconds in zip(MARKS, *runs, strict=True):
        print(f"{mark}: {min(seconds):.1f} s (of {', '.join(f'{second:.1f}' for second in seconds)})")
