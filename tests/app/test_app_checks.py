"""Which uploads are rejected before any work, and what the visitor reads then."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact_app.checks import check_frames, check_photo, check_time, check_video  # noqa: E402
from diffusionact_app.messages import errors_as_messages, plain  # noqa: E402
from diffusionact_app.settings import Limits  # noqa: E402

LIMITS = Limits(upload_mb=1, image_megapixels=1, video_side_px=200, seconds=100)


def test_good_uploads_pass(source_file, driving_file):
    assert check_photo(str(source_file), LIMITS) == source_file
    assert check_video(str(driving_file), Limits()).frame_count == 100


@pytest.mark.parametrize("check", [check_photo, check_video])
def test_nothing_chosen_is_explained(check):
    with pytest.raises(ValueError, match="Expected a .* received none. Upload"):
        check(None, LIMITS)


@pytest.mark.parametrize("name", ["codes.pkl", "codes.png"])
def test_photo_that_is_none_is_rejected_by_its_content(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n")
    with pytest.raises(ValueError, match=f"received '{name}', which does not"):
        check_photo(str(tmp_path / name), LIMITS)


@pytest.mark.parametrize(("name", "kind"), [("a.jfif", "JPEG"), ("a.tif", "TIFF"), ("a.avif", "AVIF"), ("a", "PNG")])
def test_photo_is_known_by_its_content_whatever_its_name(tmp_path, name, kind):
    Image.new("RGB", (16, 16)).save(tmp_path / name, kind)
    assert check_photo(str(tmp_path / name), LIMITS) == tmp_path / name
    assert check_video(str(tmp_path / name), LIMITS).frame_count == 1


@pytest.mark.parametrize("name", ["a.3gp", "a.ts", "a.wmv", "a"])
def test_video_is_known_by_its_content_whatever_its_name(tmp_path, driving_file, name):
    (tmp_path / name).write_bytes(driving_file.read_bytes())
    assert check_video(str(tmp_path / name), Limits()).frame_count == 100


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1])
def test_numbers_that_no_page_sends_are_rejected(driving_file, number):
    assert check_frames(None, Limits()) == check_frames(10**6, Limits()) == Limits().frames
    with pytest.raises(ValueError, match="Expected frames"):
        check_frames(number, Limits())
    for part in ((number, 0), (0, number)):
        with pytest.raises(ValueError, match="Expected (start|end) in"):
            check_video(str(driving_file), Limits(), *part)


def test_part_of_a_video_is_opened(driving_file):
    assert check_video(str(driving_file), Limits(), 1, 2).frame_count == 25
    assert check_video(str(driving_file), Limits(), 3, 0).frame_count == 25
    with pytest.raises(ValueError, match="where no frame begins"):
        check_video(str(driving_file), Limits(), 9)


def test_photo_with_too_many_pixels_is_rejected_before_it_is_decoded(tmp_path):
    Image.new("1", (4000, 300)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match="at most 1 megapixels, received 4000 x 300"):
        check_photo(str(tmp_path / "large.png"), LIMITS)


def test_file_that_is_too_large_is_rejected(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with pytest.raises(ValueError, match="at most 1 MB, received 'noise.png' of 1 MB"):
        check_photo(str(tmp_path / "noise.png"), LIMITS)


def test_video_that_is_too_wide_is_rejected(driving_file):
    with pytest.raises(ValueError, match="at most 200 px a side, received 256 x 256"):
        check_video(str(driving_file), LIMITS)


def test_driving_images_are_measured_before_they_are_decoded(tmp_path):
    Image.new("1", (300, 100)).save(tmp_path / "wide.png")
    with pytest.raises(ValueError, match="at most 200 px a side, received 300 x 100"):
        check_video(str(tmp_path / "wide.png"), LIMITS)
    # 20000 x 20000 px in half a megabyte: Pillow's limit, explained in our words.
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    for check in (check_photo, check_video):
        with pytest.raises(ValueError, match="'bomb.png' of many times that. Make it smaller"):
            check(str(tmp_path / "bomb.png"), LIMITS)


def test_animation_of_too_many_frames_is_rejected(tmp_path):
    frames = [Image.new("L", (16, 16), level) for level in range(5)]
    frames[0].save(tmp_path / "long.gif", save_all=True, append_images=frames[1:])
    assert check_video(str(tmp_path / "long.gif"), LIMITS).frame_count == 5
    with pytest.raises(ValueError, match="at most 4 frames, received 'long.gif' of 5"):
        check_video(str(tmp_path / "long.gif"), Limits(frames=4))


@pytest.mark.parametrize(("check", "name"), [(check_photo, "old.png"), (check_video, "old.mp4")])
def test_upload_that_was_removed_is_asked_for_again(tmp_path, check, name):
    with pytest.raises(ValueError, match=f"received '{name}', which is no longer here: uploads are kept for 1 h"):
        check(str(tmp_path / name), LIMITS)


def test_photo_reaches_the_handlers_as_it_was_uploaded(tmp_path):
    from gradio.components.image import ImageData

    from diffusionact_app.uploads import photo_upload

    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    payload = ImageData(path=str(tmp_path / "clear.png"), orig_name="clear.png")
    assert photo_upload(label="Image").preprocess(payload) == str(tmp_path / "clear.png")
    assert photo_upload().preprocess(None) is None


def test_job_that_would_take_too_long_is_rejected():
    check_time(100.0, 5, LIMITS)
    with pytest.raises(ValueError, match="at most 1 min 40 s, received 500 frames, which would take about 3 min 20 s"):
        check_time(200.0, 500, LIMITS)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("received '/tmp/app/1f/face.png' of 3 bytes", "received 'face.png' of 3 bytes"),
        ("received /srv/app/face.png, which", "received face.png, which"),
        (r"received 'C:\Users\me\face.png'", "received 'face.png'"),
        ("0.5 s/frame and 1/2", "0.5 s/frame and 1/2"),
    ],
)
def test_messages_do_not_show_the_servers_folders(message, shown):
    assert plain(message) == shown


def test_unforeseen_errors_become_a_number_in_the_log(caplog):
    import gradio

    def broken():
        raise ZeroDivisionError("secret")

    with pytest.raises(gradio.Error) as raised:
        errors_as_messages(broken)()
    number = raised.value.message.split()[-1].rstrip(".")
    assert "secret" not in raised.value.message
    assert number in caplog.text and "secret" in caplog.text
