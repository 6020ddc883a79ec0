"""The Live tab in a headless Chromium whose camera is a clip, from permission to the saved file."""

import re

import av
import pytest
from fake_camera import launch_with_camera, write_camera_file
from visitor import Visitor

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def camera_browser(playwright_driver, tmp_path_factory):
    camera = write_camera_file(tmp_path_factory.mktemp("camera") / "face.mjpeg")
    browser = launch_with_camera(playwright_driver, camera)
    yield browser
    browser.close()


@pytest.fixture
def visitor(photo_app, camera_browser):
    """A visitor on the Live tab who has chosen a photo."""
    context = camera_browser.new_context(viewport={"width": 1280, "height": 1000}, permissions=["camera"])
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(photo_app.url)
    visitor = Visitor(page)
    visitor.tab("Live")
    yield visitor
    context.close()


def start(visitor):
    visitor.page.locator('#live-camera [title="grant webcam access"] button').click()
    press(visitor)


def press(visitor):
    """Start or Stop below the camera's image."""
    button = visitor.page.locator("#live-camera .button-wrap button").first
    button.click()


def test_the_camera_moves_the_photo_and_the_video_is_saved(visitor, tmp_path):
    page = visitor.page
    page.locator("#live-faces button").first.click()
    visitor.wait_for_text("live-status", "Allow the camera")
    start(visitor)
    page.wait_for_function("document.querySelector('#live-stage img').src.startsWith('data:image/jpeg')")
    first = page.locator("#live-stage img").get_attribute("src")
    page.wait_for_function("src => document.querySelector('#live-stage img').src !== src", arg=first)
    told = visitor.wait_for_text("live-stage", "ms delay")
    assert "AI-generated, DiffusionAct" in told
    assert float(re.search(r"([\d.]+) frames/s", told)[1]) > 0

    page.locator("#live-calibrate").click()
    visitor.wait_for_text("live-stage", "Calibrated")
    page.locator("#live-record").click()
    visitor.wait_for_text("live-record", "Finish the file")
    # On a busy machine the count of seconds leaves some out.
    page.wait_for_function("+document.getElementById('live-stage').innerText.match(/recording (\\d+) s/)?.[1] >= 2")
    press(visitor)  # stops the camera, which finishes the file too
    page.wait_for_function("!document.querySelector('#live-save').disabled")
    assert page.locator("#live-record").inner_text() == "Record to a file"
    with page.expect_download() as saving:
        page.locator("#live-save").click()
    saving.value.save_as(tmp_path / "saved.mp4")
    with av.open(str(tmp_path / "saved.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 50
        assert "AI-generated, DiffusionAct" in container.metadata.values()
    assert page.errors == []


def test_what_is_missing_is_told_without_a_traceback(visitor, faceless_file):
    page = visitor.page
    page.locator("#live-calibrate").click()
    assert "Start the camera first" in visitor.toast("running camera")
    visitor.upload("live-photo", faceless_file)
    assert "Traceback" not in visitor.toast("No face found")
    start(visitor)
    visitor.wait_for_text("live-stage", "Choose a photo first")


def test_the_tab_fits_a_phone(visitor, screenshots):
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#live-faces button").first.click()
    start(visitor)
    visitor.wait_for_text("live-stage", "ms delay")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=screenshots / "live_phone.png", full_page=True)
