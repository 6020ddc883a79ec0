"""Images of the app for docs/app.md: `PYTHONPATH=.:tests:tests/app python tests/app/screenshots.py URL FOLDER`.

URL is that of an app with the model photo. Every view, or those named after FOLDER (see VIEWS), at the width of a desk
and of a phone, light and dark.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from fake_camera import launch_with_camera, write_camera_file
from PIL import Image
from playwright.sync_api import sync_playwright
from running_app import DEMO_MEDIA
from visitor import Visitor

from diffusionact.video import VideoWriter
from diffusionact_app.examples import EXAMPLES

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
JPEG_QUALITY = 70
RENDERING_MS = 300_000
ASTRONAUT = (104, 0, 344, 240)  # her head; in the whole photo it is too small beside another


def animate(visitor: Visitor, is_first: bool) -> None:
    """The first visit renders some frames and shows one in the making; later ones show an example."""
    visitor.page.locator("#examples button").first.click()
    visitor.wait_for_text("animate-status", "Astronaut")
    visitor.video("side-by-side")
    if is_first:
        visitor.few_frames(8)
        visitor.page.get_by_role("button", name="Options").first.click()
        visitor.page.locator("#animate-start").click()
        visitor.wait_for_text("animate-status", "Frame ")
        visitor.page.wait_for_selector("#stage img")


def clip(visitor: Visitor, is_first: bool) -> None:
    """A clip that takes another's expression, some frames of it."""
    visitor.page.get_by_label("A video clip").click()
    visitor.upload("animate-clip", DEMO_MEDIA / "photo_driving.mp4")
    visitor.upload("animate-driving", EXAMPLES[1].full_frame)
    _render(visitor, 2, is_first)


def group(visitor: Visitor, is_first: bool) -> None:
    """Two people side by side; one laughs while the other nods."""
    visitor.page.get_by_label("Several faces", exact=True).click()
    with tempfile.TemporaryDirectory() as files:
        _two_people().save(Path(files) / "group.png")
        visitor.upload("animate-source", Path(files) / "group.png")
        _choose_motions(visitor, "group")
        _render(visitor, 8, is_first)


def group_clip(visitor: Visitor, is_first: bool) -> None:
    """The same people in a clip."""
    visitor.page.get_by_label("A video clip").click()
    with tempfile.TemporaryDirectory() as files:
        people = torch.from_numpy(np.array(_two_people()))
        with VideoWriter(Path(files) / "clip.mp4", Fraction(10), people.shape[:2]) as writer:
            for _ in range(8):
                writer.write(people)
        visitor.upload("animate-clip", Path(files) / "clip.mp4")
        _choose_motions(visitor, "clip-group")
        _render(visitor, 8, is_first)


def _two_people() -> Image.Image:
    photo = Image.new("RGB", (1024, 512))
    people = Image.open(EXAMPLES[0].source).crop(ASTRONAUT), Image.open(EXAMPLES[1].source)
    for index, person in enumerate(people):
        photo.paste(person.resize((512, 512)), (512 * index, 0))
    return photo


def _choose_motions(visitor: Visitor, panel: str) -> None:
    page = visitor.page
    page.locator(f"#{panel}-what").wait_for()
    for face, motion in ((1, "Laugh"), (2, "Nod")):
        page.locator(f"#{panel}-face label").nth(face - 1).click()
        visitor.wait_for_text(panel, f"What face {face} does")
        page.locator(f"#{panel}-what input").click()
        page.get_by_role("option", name=motion).click()
        page.wait_for_timeout(2000)


def crop(visitor: Visitor, is_first: bool) -> None:
    """The squares around both faces, the source's larger and turned."""
    page = visitor.page
    page.locator("#examples button").first.click()
    visitor.wait_for_text("animate-status", "Astronaut")
    page.locator("#crop button").first.click()
    for name, value in (("scale", "1.4"), ("rotate", "-12")):
        page.locator(f"#source-crop-{name} input[type=number]").fill(value)
        page.keyboard.press("Tab")
    for whose in ("source", "driving"):
        page.locator(f"#crop-{whose} img").wait_for()
    page.wait_for_timeout(4000)


def _render(visitor: Visitor, frames: int, is_first: bool) -> None:
    """The first visit renders and shows a frame in the making; later ones show what was asked for."""
    page = visitor.page
    page.wait_for_function("document.querySelector('#estimate').innerText.includes('about')")
    if is_first:
        page.get_by_role("button", name="Options").first.click()
        page.locator("#frames input[type=number]").fill(str(frames))
        page.keyboard.press("Tab")
        visitor.wait_for_text("estimate", f"{frames} frames")
        page.get_by_role("button", name="Options").first.click()
        page.locator("#animate-start").click()
        visitor.wait_for_text("animate-status", f"Frame {frames - 1}")


def _fit_window(page) -> None:
    """Make the window as high as the page: beyond its edge videos are not painted, which leaves them blank."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(2000)


def edit(visitor: Visitor, is_first: bool) -> None:
    visitor.page.locator("#edit-faces button").nth(0 if is_first else 1).click()
    visitor.wait_for_text("edit-compare", "Finished")
    visitor.page.get_by_role("button", name="Look aside").click()
    visitor.wait_for_text("edit-compare", "Geometry preview")
    visitor.wait_for_text("edit-compare", "Finished")


def live(visitor: Visitor, is_first: bool) -> None:
    page = visitor.page
    page.locator("#live-faces button").first.click()
    visitor.wait_for_text("live-status", "Allow the camera")
    page.locator('#live-camera [title="grant webcam access"] button').click()
    page.locator("#live-camera .button-wrap button").first.click()
    visitor.wait_for_text("live-stage", "ms delay")
    page.locator("#live-calibrate").click()
    visitor.wait_for_text("live-stage", "Calibrated")
    page.wait_for_timeout(4000)


def batch(visitor: Visitor, is_first: bool) -> None:
    visitor.upload("batch-sources", DEMO_MEDIA / "photo.jpg")
    visitor.upload("batch-driving", DEMO_MEDIA / "photo_driving.mp4")
    visitor.page.wait_for_selector("#batch-driving video")


def about(visitor: Visitor, is_first: bool) -> None:
    pass


# Name of the image -> its tab, and what is done there.
VIEWS = {
    "animate": ("Animate", animate),
    "animate_clip": ("Animate", clip),
    "animate_group": ("Animate", group),
    "animate_group_clip": ("Animate", group_clip),
    "animate_crop": ("Animate", crop),
    "edit": ("Edit", edit),
    "live": ("Live", live),
    "batch": ("Batch", batch),
    "about": ("About", about),
}


def main(url: str, folder: Path, *names: str) -> None:
    with tempfile.TemporaryDirectory() as files, sync_playwright() as driver:
        browser = launch_with_camera(driver, write_camera_file(Path(files) / "face.mjpeg"))
        is_first = True
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                for view in names or VIEWS:
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme, permissions=["camera"]
                    )
                    page = context.new_page()
                    page.goto(url)
                    visitor = Visitor(page)
                    page.set_default_timeout(RENDERING_MS)
                    page.wait_for_function("document.querySelector('#hero-clip video').currentTime > 0.5")
                    tab, fill = VIEWS[view]
                    visitor.tab(tab)
                    fill(visitor, is_first)
                    _fit_window(page)
                    name = f"{view}_{size}_{scheme}"
                    page.screenshot(path=folder / f"{name}.png")
                    Image.open(folder / f"{name}.png").convert("RGB").save(
                        folder / f"{name}.jpg", quality=JPEG_QUALITY, optimize=True
                    )
                    (folder / f"{name}.png").unlink()
                    context.close()
                is_first = False


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
