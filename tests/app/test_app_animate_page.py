"""The Animate tab in a headless browser, from upload to download."""

from fractions import Fraction

import av
import pytest
from visitor import Visitor

from diffusionact.images import load_image
from diffusionact.video import VideoWriter

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow


@pytest.fixture
def visit(open_page, app):
    """Open the app as a new visitor."""
    return lambda **size: Visitor(open_page(app.url, **size))


def frames_of(path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_example_is_shown_with_its_result_then_rendered_and_saved(visit, tmp_path):
    visitor = visit()
    page = visitor.page
    fetched = []
    page.on("request", lambda request: fetched.append(request.url))
    page.locator("#examples button").first.click()
    assert "Made beforehand" in visitor.wait_for_text("animate-status", "Astronaut")
    assert visitor.video("side-by-side")["seconds"] == pytest.approx(4.0, abs=0.1)

    visitor.few_frames(6)
    page.locator("#animate-start").click()
    page.wait_for_selector("#stage img", state="attached")  # a tiny model may be done before we look
    assert "6 frames" in visitor.wait_for_text("animate-status", "Done")
    shown = visitor.video("side-by-side")
    assert (shown["width"], shown["height"]) == (768, 256)
    assert shown["seconds"] == pytest.approx(6 / 25, abs=0.05)

    with page.expect_download() as saving:
        page.get_by_role("button", name="Save whole photo").click()
    saving.value.save_as(tmp_path / "saved.mp4")
    assert frames_of(tmp_path / "saved.mp4") == 6
    with av.open(str(tmp_path / "saved.mp4")) as container:
        assert "AI-generated, DiffusionAct" in container.metadata.values()
    assert page.errors == []
    assert [url for url in fetched if url.split(":")[0] in ("http", "https") and "127.0.0.1" not in url] == []


def test_the_first_seconds_are_previewed_before_rendering(visit, source_file, driving_file):
    visitor = visit()
    visitor.choose(source_file, driving_file, 50)
    visitor.page.locator("#animate-preview").click()
    visitor.wait_for_text("animate-status", "Geometry preview, no generative model")
    shown = visitor.video("preview-clip")
    assert (shown["width"], shown["height"]) == (768, 256)
    assert 8 / 12.5 - 0.1 < shown["seconds"] < 2.1
    assert visitor.page.locator("#animate-start").is_enabled() and visitor.page.errors == []


def test_a_photo_moves_without_a_video(visit, source_file):
    visitor = visit()
    visitor.upload("animate-source", source_file)
    visitor.page.locator("#animate-motion input").click()
    visitor.page.get_by_role("option", name="Nod").click()
    visitor.page.locator("#animate-preview").click()
    visitor.wait_for_text("animate-status", "Geometry preview, no generative model")
    assert visitor.video("preview-clip")["seconds"] > 0.5
    assert visitor.page.errors == []


def test_stopping_keeps_the_frames_made_so_far(visit, source_file, driving_file):
    visitor = visit()
    visitor.choose(source_file, driving_file, 99)
    visitor.page.locator("#animate-start").click()
    visitor.wait_for_text("animate-status", "Frame ")
    visitor.page.locator("#animate-stop").click()
    status = visitor.wait_for_text("animate-status", "Stopped")
    done = int(status.split(" of 99")[0].split()[-1])
    assert 0 < done < 99
    assert visitor.video("side-by-side")["seconds"] == pytest.approx(done / 25, abs=0.05)
    assert visitor.page.locator("#animate-start").is_enabled()


def test_photo_without_a_face_is_explained_and_the_page_stays_usable(visit, faceless_file, driving_file):
    visitor = visit()
    visitor.upload("animate-source", faceless_file)
    assert "Traceback" not in visitor.toast("No face found")
    visitor.upload("animate-driving", driving_file)
    visitor.few_frames(3)
    visitor.page.locator("#animate-start").click()
    visitor.page.wait_for_function("document.querySelectorAll('.toast-body').length >= 1")
    visitor.wait_for_text("animate-status", "That was not made")
    visitor.page.wait_for_function("!document.querySelector('#animate-start').disabled")


def test_corrupt_video_is_named_without_the_servers_folders(visit, app, corrupt_file):
    visitor = visit()
    visitor.upload("animate-driving", corrupt_file)
    message = visitor.toast("Expected a complete video")
    assert "cut_off.mp4" in message
    assert str(app.files) not in message and "Traceback" not in message


def test_video_of_100_mb_is_rejected_and_the_app_lives_on(visit, app, tmp_path, source_file):
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    visitor = visit()
    visitor.upload("animate-driving", large)
    visitor.toast("maximum allowed size of 64")
    assert not any(path.stat().st_size > 64 * 1024 * 1024 for path in app.files.rglob("*") if path.is_file())
    visitor.upload("animate-source", source_file)
    visitor.page.wait_for_selector("#animate-source img")


def test_two_visitors_at_once_get_their_own_results(visit, source_file, two_faces_file, driving_file):
    first, second = visit(), visit()
    first.choose(source_file, driving_file, 20)
    second.choose(two_faces_file, driving_file, 5)
    first.page.locator("#animate-start").click()
    first.wait_for_text("animate-status", "Frame ")
    second.page.locator("#animate-start").click()
    assert "5 frames" in second.wait_for_text("animate-status", "Done")
    assert "20 frames" in first.wait_for_text("animate-status", "Done")
    videos = [visitor.video("side-by-side") for visitor in (first, second)]
    assert [round(video["seconds"] * 25) for video in videos] == [20, 5]
    assert videos[0]["url"] != videos[1]["url"]


def test_faces_and_their_crops_are_shown_and_chosen(visit, two_faces_file):
    visitor = visit()
    page = visitor.page
    page.get_by_role("button", name="What the model sees").click()
    visitor.upload("animate-source", two_faces_file)
    shown = page.locator("#vision-source img")
    shown.wait_for()
    before = shown.get_attribute("src")
    box = shown.bounding_box()
    # The smaller face lies at (500, 160) of 640 x 320 px; the image is centred in its frame.
    scale = min(box["width"] / 640, box["height"] / 320)
    left, top = (box["width"] - 640 * scale) / 2, (box["height"] - 320 * scale) / 2
    shown.click(position={"x": left + 500 * scale, "y": top + 150 * scale})
    page.wait_for_function("src => document.querySelector('#vision-source img').src !== src", arg=before)
    page.locator("#crop button").first.click()
    preview = page.locator("#crop-source img")
    preview.wait_for()
    before = preview.get_attribute("src")
    page.locator("#source-crop-scale input[type=number]").fill("2")
    page.keyboard.press("Tab")
    page.wait_for_function("src => document.querySelector('#crop-source img').src !== src", arg=before)
    assert page.locator(".toast-body").count() == 0


def test_results_go_when_the_page_is_closed(open_page, app, source_file, driving_file):
    page = open_page("about:blank")
    # The page's open connection, by whose end the server knows that it was closed.
    with page.expect_response("**/heartbeat/**"):
        page.goto(app.url, wait_until="domcontentloaded")
    visitor = Visitor(page)
    visitor.choose(source_file, driving_file, 3)
    visitor.page.locator("#animate-start").click()
    visitor.wait_for_text("animate-status", "Done")
    kept = app.files / "results" / visitor.video("side-by-side")["url"].split("/results/")[1].split("/")[0]
    assert kept.is_dir()
    page.context.close()
    app.wait_until_gone(kept)


def test_video_that_begins_without_a_face_is_welcome(visit, faceless_file, tmp_path):
    visitor = visit()
    visitor.page.get_by_role("button", name="What the model sees").click()
    clip = tmp_path / "wall.mp4"
    with VideoWriter(clip, Fraction(25), (256, 256)) as writer:
        for _ in range(3):
            writer.write(load_image(faceless_file))
    visitor.upload("animate-driving", clip)
    visitor.toast("shows no face")
    visitor.page.wait_for_selector("#vision-driving img")
