"""The Edit tab in a headless browser: sliders by mouse and keyboard."""

import itertools
import time

import pytest
from running_app import PATIENCE_S
from visitor import Visitor

from diffusionact.pipelines.preview import PREVIEW_SIZE, PREVIEW_TITLE

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow
IMAGES = "[...document.querySelectorAll('#edit-compare img')].map(i => i.src).join()"


@pytest.fixture
def visitor(open_page, app):
    """A visitor on the Edit tab with the first face chosen."""
    visitor = Visitor(open_page(app.url))
    visitor.tab("Edit")
    visitor.page.locator("#edit-faces button").first.click()
    visitor.wait_for_text("edit-compare", "Finished")
    return visitor


def after_image(visitor: Visitor) -> str:
    """Address of the image on the "after" side."""
    return visitor.page.evaluate(IMAGES)


def wait_for_another_image(visitor: Visitor, before: str) -> str:
    visitor.page.wait_for_function(f"before => {IMAGES} !== before", arg=before)
    return after_image(visitor)


def test_dragging_shows_previews_and_letting_go_renders_in_full(visitor):
    page, first = visitor.page, after_image(visitor)
    box = page.locator("#edit-yaw input[type=range]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(6):
        page.mouse.move(x + 8 * step, y)
    preview = wait_for_another_image(visitor, first)
    assert PREVIEW_TITLE in page.locator("#edit-compare figcaption").inner_text()
    page.mouse.up()
    visitor.wait_for_text("edit-compare", "Finished")
    assert wait_for_another_image(visitor, preview) != first
    with page.expect_download() as saving:
        page.locator("#edit-save").click()
    assert saving.value.suggested_filename == "edited.png"


def test_arrow_keys_render_in_full_once_they_rest(visitor):
    before = after_image(visitor)
    visitor.page.locator("#edit-pitch input[type=range]").focus()
    for _ in range(4):
        visitor.page.keyboard.press("ArrowRight")
    visitor.wait_for_text("edit-compare", PREVIEW_TITLE)
    visitor.wait_for_text("edit-compare", "Finished")
    assert after_image(visitor) != before
    assert visitor.page.locator("#edit-pitch input[type=number]").input_value() == "4"


def test_quick_edits_move_sliders_and_reset_brings_the_first_back(visitor):
    page, first = visitor.page, after_image(visitor)
    page.get_by_role("button", name="Surprise").click()
    wait_for_another_image(visitor, first)
    visitor.wait_for_text("edit-compare", "Finished")
    visitor.tab("Mouth")
    assert page.locator("#edit-mouth_open input[type=number]").input_value() == "0.7"
    page.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_function(f"first => {IMAGES} === first", arg=first)
    assert page.locator("#edit-mouth_open input[type=number]").input_value() == "0"


def test_whole_photo_is_shown_on_request(visitor):
    page, first = visitor.page, after_image(visitor)
    page.get_by_label("Show the whole photo").check()
    wait_for_another_image(visitor, first)
    widths = "[...document.querySelectorAll('#edit-compare img')].map(i => i.naturalWidth)"
    page.wait_for_function(f"{widths}.every(width => width === 512)")


def drag(page, slider: str, images: int) -> int:
    """Drag a slider to and fro until so many other images were put in place; how many were, should it not do so."""
    page.evaluate(
        """() => { window.images = 0; new MutationObserver(() => { window.images += 1; })
        .observe(document.querySelector('#edit-compare .after'), {attributes: true, attributeFilter: ['src']}); }"""
    )
    box = page.locator(f"#{slider} input[type=range]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    deadline = time.monotonic() + PATIENCE_S
    for step in itertools.count():
        page.mouse.move(x + 6 * (step % 20), y)
        seen = page.evaluate("window.images")
        if seen >= images or time.monotonic() > deadline:
            break
    page.mouse.up()
    return seen


def test_a_diffusion_model_is_previewed_by_geometry_while_dragging(visitor):
    """Many images for one drag: the model's own, with its presets of 6 steps and more, are not among them."""
    assert drag(visitor.page, "edit-yaw", 4) >= 4
    assert PREVIEW_TITLE in visitor.page.locator("#edit-compare figcaption").inner_text()
    widths = visitor.page.evaluate("document.querySelector('#edit-compare .after').naturalWidth")
    assert widths == PREVIEW_SIZE, "the model's own images have 32 px"
    visitor.wait_for_text("edit-compare", "Finished: 32 x 32 px")


def test_the_bar_between_before_and_after_moves_by_keys_and_stays(visitor):
    page = visitor.page
    bar = page.get_by_label("Bar between before and after")
    bar.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#edit-compare figure").evaluate("e => getComputedStyle(e).getPropertyValue('--cut')") == "40%"
    before = after_image(visitor)
    page.get_by_role("button", name="Smile").click()
    wait_for_another_image(visitor, before)
    page.wait_for_function("document.querySelector('#edit-compare input').value === '40'")


def test_no_photo_and_no_face_leave_words_in_the_panel(open_page, app, faceless_file):
    visitor = Visitor(open_page(app.url))
    visitor.tab("Edit")
    visitor.wait_for_text("edit-compare", "Choose a photo")
    visitor.upload("edit-source", faceless_file)
    visitor.toast("No face found")
    visitor.wait_for_text("edit-compare", "Choose a photo")


def test_photo_model_follows_the_slider_and_renders_at_its_size(open_page, photo_app):
    visitor = Visitor(open_page(photo_app.url))
    visitor.tab("Edit")
    visitor.page.locator("#edit-faces button").nth(1).click()
    visitor.wait_for_text("edit-compare", "Finished: 512 x 512 px")
    assert drag(visitor.page, "edit-yaw", 4) >= 4
    visitor.wait_for_text("edit-compare", "Finished: 512 x 512 px")
    assert visitor.page.errors == []
