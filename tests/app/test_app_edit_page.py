"""The Edit tab in a headless browser: sliders by mouse and keyboard."""

import pytest
from visitor import Visitor

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow


@pytest.fixture
def visitor(open_page, app):
    """A visitor on the Edit tab with the first face chosen."""
    visitor = Visitor(open_page(app.url))
    visitor.tab("Edit expression")
    visitor.page.locator("#edit-faces button").first.click()
    visitor.wait_for_text("edit-status", "Full quality")
    return visitor


def after_image(visitor: Visitor) -> str:
    """Address of the image on the "after" side."""
    return visitor.page.evaluate("[...document.querySelectorAll('#edit-compare img')].map(i => i.src).join()")


def wait_for_another_image(visitor: Visitor, before: str) -> str:
    visitor.page.wait_for_function(
        "before => [...document.querySelectorAll('#edit-compare img')].map(i => i.src).join() !== before", arg=before
    )
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
    assert "Preview" in page.locator("#edit-status").inner_text()
    page.mouse.up()
    visitor.wait_for_text("edit-status", "Full quality")
    assert wait_for_another_image(visitor, preview) != first
    with page.expect_download() as saving:
        page.locator("#edit-save").click()
    assert saving.value.suggested_filename == "edited.png"


def test_arrow_keys_render_in_full_once_they_rest(visitor):
    before = after_image(visitor)
    visitor.page.locator("#edit-pitch input[type=range]").focus()
    for _ in range(4):
        visitor.page.keyboard.press("ArrowRight")
    visitor.wait_for_text("edit-status", "Preview")
    visitor.wait_for_text("edit-status", "Full quality")
    assert after_image(visitor) != before
    assert visitor.page.locator("#edit-pitch input[type=number]").input_value() == "4"


def test_quick_edits_move_sliders_and_reset_brings_the_first_back(visitor):
    page, first = visitor.page, after_image(visitor)
    page.get_by_role("button", name="Surprise").click()
    surprised = wait_for_another_image(visitor, first)
    visitor.tab("Mouth")
    assert page.locator("#edit-mouth_open input[type=number]").input_value() == "0.7"
    page.get_by_role("button", name="Reset", exact=True).click()
    # Images are named by their content.
    assert wait_for_another_image(visitor, surprised) == first
    assert page.locator("#edit-mouth_open input[type=number]").input_value() == "0"


def test_whole_photo_is_shown_on_request(visitor):
    page, first = visitor.page, after_image(visitor)
    page.get_by_label("Show the whole photo").check()
    wait_for_another_image(visitor, first)
    widths = "[...document.querySelectorAll('#edit-compare img')].map(i => i.naturalWidth)"
    page.wait_for_function(f"{widths}.every(width => width === 512)")
