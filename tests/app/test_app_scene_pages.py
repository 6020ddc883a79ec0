"""Clips and groups as sources, on the page of the model photo: what is shown, and what comes of it."""

from fractions import Fraction
from itertools import islice

import pytest
from running_app import DEMO_MEDIA
from visitor import Visitor

from diffusionact.images import load_image
from diffusionact.video import VideoWriter, open_frames

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory):
    """Two frames of a speaking woman, half a second apart."""
    path, driver = tmp_path_factory.mktemp("clip") / "short.mp4", open_frames(DEMO_MEDIA / "photo_driving.mp4")
    with VideoWriter(path, Fraction(25), driver.size) as writer:
        for frame in islice(driver, 20, 46, 25):
            writer.write(frame)
    return path


@pytest.fixture
def visitor(open_page, photo_app):
    return Visitor(open_page(photo_app.url))


def saved(visitor, button, path):
    """The frames of a result, as a visitor keeps it."""
    with visitor.page.expect_download() as saving:
        visitor.page.get_by_role("button", name=button).click()
    saving.value.save_as(path)
    return list(open_frames(path))


def difference(first, second):
    return (first.float() - second.float()).abs().mean().item()


def test_a_clip_is_changed_without_a_driver(visitor, short_clip, tmp_path):
    page = visitor.page
    assert not page.locator("#clip-take").is_visible() and page.locator("#animate-preview").is_visible()
    page.get_by_label("A video clip").click()
    page.locator("#clip-take").wait_for()
    assert not page.locator("#animate-source").is_visible() and not page.locator("#animate-preview").is_visible()
    visitor.upload("animate-clip", short_clip)
    page.locator("#clip-mouth input[type=number]").fill("0")
    page.keyboard.press("Tab")
    visitor.wait_for_text("estimate", "2 frames, about")
    page.locator("#animate-start").click()
    assert "2 frames" in visitor.wait_for_text("animate-status", "Done")
    before, after = list(open_frames(short_clip)), saved(visitor, "Save whole clip", tmp_path / "clip.mp4")
    assert [frame.shape for frame in after] == [frame.shape for frame in before]
    mouth, hair = (slice(200, 250), slice(150, 225)), (slice(0, 100), slice(None))
    assert difference(before[0][mouth], after[0][mouth]) > 5 * difference(before[0][hair], after[0][hair])
    shown = visitor.video("side-by-side")
    assert shown["width"] == 2 * shown["height"] and page.errors == []


def test_a_face_of_a_group_moves_and_another_stays(visitor, short_clip, two_faces_file, tmp_path):
    page = visitor.page
    visitor.upload("animate-source", two_faces_file)
    page.locator("#faces-note", has_text="2 faces found").wait_for()
    page.get_by_label("Several faces", exact=True).click()
    page.locator("#group-what").wait_for()
    page.locator("#group-what input").click()
    page.get_by_role("option", name="Stays as it is").click()
    shown = page.locator("#group-faces img")
    before = shown.get_attribute("src")
    box = shown.bounding_box()
    scale = min(box["width"] / 640, box["height"] / 320)
    left, top = (box["width"] - 640 * scale) / 2, (box["height"] - 320 * scale) / 2
    shown.click(position={"x": left + 500 * scale, "y": top + 150 * scale})  # the smaller face
    page.wait_for_function("src => document.querySelector('#group-faces img').src !== src", arg=before)
    visitor.wait_for_text("group", "What face 2 does")
    visitor.upload("animate-driving", short_clip)
    visitor.wait_for_text("estimate", "2 frames, about")
    page.locator("#animate-start").click()
    visitor.wait_for_text("animate-status", "Done")
    photo, after = load_image(two_faces_file), saved(visitor, "Save whole photo", tmp_path / "group.mp4")
    assert len(after) == 2 and after[0].shape == photo.shape
    assert difference(after[0][:, :320], after[1][:, :320]) < 0.5
    assert difference(after[0][:, 400:600], after[1][:, 400:600]) > 2.0
    assert page.errors == []


def test_faces_of_a_clip_are_numbered_and_each_has_a_driver(visitor, two_faces_clip, tmp_path):
    page = visitor.page
    page.get_by_label("A video clip").click()
    visitor.upload("animate-clip", two_faces_clip)
    page.locator("#clip-group-faces img").wait_for()
    assert not page.locator("#animate-motion").is_visible()
    page.locator("#animate-start").click()
    assert "click a face" in visitor.toast("received no driver for any face")
    page.locator("#clip-group-face label").nth(1).click()
    visitor.wait_for_text("clip-group", "What face 2 does")
    page.locator("#clip-group-what input").click()
    page.get_by_role("option", name="Laugh").click()
    visitor.wait_for_text("estimate", "2 frames, about")
    page.locator("#animate-start").click()
    visitor.wait_for_text("animate-status", "Done")
    before, after = list(open_frames(two_faces_clip)), saved(visitor, "Save whole clip", tmp_path / "group.mp4")
    assert [frame.shape for frame in after] == [frame.shape for frame in before]
    mouth, other = (slice(140, 240), slice(440, 560)), (slice(None), slice(0, 320))
    assert difference(before[1][mouth], after[1][mouth]) > 3 * difference(before[1][other], after[1][other])
    assert page.errors == []
