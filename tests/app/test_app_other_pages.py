"""Batch and About, and what every tab owes its visitors: phones, keyboards, dark rooms, a layout that stays put."""

import zipfile

import pytest
from visitor import Visitor

from diffusionact.images import save_png

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow


def test_batch_names_the_source_that_fails_and_zips_the_others(
    open_page, app, source_file, two_faces_file, faceless_file, driving_file, tmp_path
):
    visitor = Visitor(open_page(app.url))
    page = visitor.page
    visitor.tab("Batch")
    visitor.upload("batch-sources", source_file, faceless_file, two_faces_file)
    visitor.upload("batch-driving", driving_file)
    page.wait_for_selector("#batch-driving video")
    page.get_by_role("button", name="Options").last.click()
    page.locator("#batch-frames input[type=number]").fill("3")
    page.keyboard.press("Tab")
    page.locator("#batch-start").click()
    visitor.wait_for_text("batch-status", "2 of the sources")
    assert "wall.png" in page.locator("#batch-report").inner_text()
    with page.expect_download() as saving:
        page.locator("#batch-save").click()
    saving.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == [
            "01_source_full_frame.mp4",
            "01_source_side_by_side.mp4",
            "03_two_full_frame.mp4",
            "03_two_side_by_side.mp4",
        ]
        assert archive.testzip() is None


def test_about_reads_the_note_of_origin(open_page, app, source_file, portrait, tmp_path):
    save_png(tmp_path / "generated.png", portrait)
    visitor = Visitor(open_page(app.url))
    visitor.tab("About")
    visitor.upload("about-file", tmp_path / "generated.png")
    assert "AI-generated, DiffusionAct" in visitor.wait_for_text("about-answer", "Generated.")
    visitor.page.get_by_label("Clear").last.click()
    visitor.upload("about-file", source_file)
    visitor.wait_for_text("about-answer", "No note.")


@pytest.mark.parametrize("tab", ["Animate", "Edit", "Batch", "About"])
def test_nothing_is_wider_than_a_phone(open_page, app, tab):
    visitor = Visitor(open_page(app.url, width=390, height=844))
    visitor.tab(tab)
    # What is asked for after a click is laid out in the frames after the fonts are there.
    frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    visitor.page.evaluate(f"() => document.fonts.ready.then(() => {frame})")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_example_can_be_chosen_and_rendered_with_the_keyboard_alone(open_page, app):
    visitor = Visitor(open_page(app.url))
    page = visitor.page
    page.locator("#examples button").first.focus()
    page.keyboard.press("Enter")
    visitor.wait_for_text("estimate", "100 frames")
    page.locator("#animate-start").focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    visitor.wait_for_text("animate-status", "Frame ")
    page.wait_for_function("!document.querySelector('#animate-stop').disabled")
    page.locator("#animate-stop").focus()
    page.keyboard.press("Space")
    visitor.wait_for_text("animate-status", "Stopped")


def test_page_is_dark_for_those_who_prefer_it(browser, app):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(app.url)
    Visitor(page)
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[:3]
    context.close()
    assert max(red, green, blue) < 60


def test_layout_stays_put_while_a_video_is_rendered(open_page, app, source_file, driving_file):
    visitor = Visitor(open_page(app.url))
    page = visitor.page
    visitor.choose(source_file, driving_file, 4)
    ids = "['animate-start', 'results']"
    positions = f"{ids}.map(id => document.getElementById(id).getBoundingClientRect().top + scrollY)"
    before = page.evaluate(positions)
    page.locator("#animate-start").click()
    page.wait_for_selector("#stage img", state="attached")
    assert page.evaluate(positions) == pytest.approx(before, abs=1)
    visitor.wait_for_text("animate-status", "Done")
    visitor.video("side-by-side")
    assert page.evaluate(positions) == pytest.approx(before, abs=1)
