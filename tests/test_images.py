"""Ranges, layouts and image files."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact import images as im
from diffusionact.video import open_frames

ALL_LEVELS = torch.arange(256, dtype=torch.uint8)[None, :, None, None].expand(1, 256, 2, 3).contiguous()


def colourful_frame(height: int = 6, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)


def test_uint8_levels_survive_the_way_through_model_range():
    model = im.uint8_to_model(ALL_LEVELS)
    assert model.shape == (1, 3, 256, 2) and model.is_contiguous()
    assert model.min() == -1.0 and model.max() == 1.0
    assert torch.equal(im.model_to_uint8(model), ALL_LEVELS)


def test_uint8_levels_survive_the_way_through_unit_and_model_range():
    unit = im.uint8_to_unit(ALL_LEVELS)
    assert torch.equal(im.unit_to_uint8(im.model_to_unit(im.unit_to_model(unit))), ALL_LEVELS)


def test_channels_and_axes_stay_in_place():
    frames = torch.zeros(1, 4, 5, 3, dtype=torch.uint8)
    frames[0, 1, 2, 0] = 255
    model = im.uint8_to_model(frames)
    assert model[0, 0, 1, 2] == 1.0 and model.sum() == 1.0 - (4 * 5 * 3 - 1)
    assert torch.equal(im.unit_to_model(im.uint8_to_unit(frames)), model)


def test_model_to_uint8_rounds_and_clamps():
    values = torch.tensor([-2.0, -1.0 + 0.6 / 127.5, 1.5]).reshape(1, 3, 1, 1)
    assert im.model_to_uint8(values).flatten().tolist() == [0, 1, 255]


def test_model_to_unit_clamps():
    assert im.model_to_unit(torch.full((1, 3, 1, 1), 1.2)).max() == 1.0


def test_resize_is_antialiased_and_keeps_the_range():
    stripes = torch.ones(1, 3, 8, 64)
    stripes[..., ::2] = -1.0
    small = im.resize(stripes, (8, 8))
    assert small.shape == (1, 3, 8, 8)
    assert small.abs().max() < 0.1
    assert im.resize(stripes, 16).abs().max() <= 1.0


def test_png_round_trip_is_exact_and_carries_provenance(tmp_path):
    frame = colourful_frame()
    im.save_png(tmp_path / "a.png", frame)
    assert torch.equal(im.load_image(tmp_path / "a.png"), frame)
    with Image.open(tmp_path / "a.png") as image:
        assert image.info == {"Software": "DiffusionAct", "Comment": "AI-generated, DiffusionAct"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_png_without_provenance_has_no_text(tmp_path):
    im.save_png(tmp_path / "a.png", colourful_frame(), provenance=False)
    with Image.open(tmp_path / "a.png") as image:
        assert image.info == {}


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = colourful_frame(4, 8)
    lying = Image.fromarray(upright.numpy()).transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(im.load_image(tmp_path / "turned.png"), upright)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("I;16", 0x6400, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_every_pixel_format_becomes_rgb(tmp_path, mode, colour, expected):
    Image.new(mode, (3, 2), colour).save(tmp_path / "a.png")
    frame = im.load_image(tmp_path / "a.png")
    assert frame.shape == (2, 3, 3) and frame.dtype == torch.uint8
    assert tuple(frame[1, 2].tolist()) == expected


def test_palette_transparency_is_laid_over_white(tmp_path):
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(tmp_path / "a.png", transparency=1)
    assert im.load_image(tmp_path / "a.png").unique().tolist() == [255]


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = im.load_image(tmp_path / "a.jpg")[4, 4].tolist()
    assert red < 8 and green > 247 and blue > 247


def test_floating_point_image_is_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match=r"Expected.*range \(0.5, 0.5\).*export"):
        im.load_image(tmp_path / "a.tiff")


@pytest.mark.parametrize("kept", [0, 20, 120])
def test_truncated_or_empty_image_is_refused(tmp_path, kept):
    im.save_png(tmp_path / "a.png", colourful_frame(32, 32))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"Expected.*received.*{kept} bytes.*export"):
        im.load_image(tmp_path / "b.png")


def test_missing_image_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.png.*check the path"):
        im.load_image(tmp_path / "nowhere.png")


def test_save_png_refuses_model_images_and_missing_folders(tmp_path):
    with pytest.raises(ValueError, match=r"Expected.*shape \(1, 3, 4, 4\).*model_to_uint8"):
        im.save_png(tmp_path / "a.png", torch.zeros(1, 3, 4, 4))
    with pytest.raises(FileNotFoundError, match="Expected an existing folder.*create it"):
        im.save_png(tmp_path / "absent" / "a.png", colourful_frame())
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="Expected an existing folder"):
        im.save_png(tmp_path / "file" / "a.png", colourful_frame())


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    message = r"Expected.*a\.txt.*disk full.*choose another"
    with pytest.raises(PermissionError, match=message), im.written_under_temporary_name(path) as temporary:
        temporary.write_text("half")
        raise PermissionError(28, "disk full")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_middle_square_of_a_wide_frame_is_cut_out_and_resized():
    frame = torch.zeros(8, 20, 3, dtype=torch.uint8)
    frame[:, 6:14] = 200
    assert torch.equal(im.middle_square(frame, 4), torch.full((4, 4, 3), 200, dtype=torch.uint8))


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_broken_metadata_are_no_reason_to_reject_an_image(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (30, 20), (90, 120, 60)).save(path, exif=b"Exif\0\0garbage!!not a tiff header", quality=95)
    assert (im.load_image(path).int() - torch.tensor([90, 120, 60])).abs().max() <= 3


DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
GAMMA = 563 / 256


def matrix_profile(primaries: np.ndarray) -> bytes:
    """An ICC profile of three primaries (columns, XYZ at D50) and one gamma."""

    def fixed(*values):
        return b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)

    def xyz(values):
        return b"XYZ " + bytes(4) + fixed(*values)

    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + (563).to_bytes(2, "big") + bytes(2)
    name = b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"Wide\0" + bytes(79)
    tags = {b"desc": name, b"wtpt": xyz((0.9642, 1, 0.8249))}
    tags |= {colour + b"XYZ": xyz(primaries[:, row]) for row, colour in enumerate((b"r", b"g", b"b"))}
    tags |= {colour + b"TRC": curve for colour in (b"r", b"g", b"b")}
    place, table, body = 132 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        table += tag + (place + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content
    header = bytes(4) + bytes(4) + bytes.fromhex("02400000") + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += fixed(0.9642, 1, 0.8249)
    profile = header + bytes(128 - len(header)) + len(tags).to_bytes(4, "big") + table + body
    return len(profile).to_bytes(4, "big") + profile[4:]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_colours_of_an_embedded_profile_become_srgb(tmp_path, suffix, mode):
    colours = np.array([[[224, 172, 105], [200, 90, 80], [128, 128, 128], [60, 120, 90]]], np.uint8).repeat(16, 0)
    light = (colours / 255) ** GAMMA @ (np.linalg.inv(SRGB_D50) @ DISPLAY_P3).T
    light = light.clip(0, 1)
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    image = Image.fromarray(colours).convert(mode)
    path = tmp_path / f"phone.{suffix}"
    image.save(path, icc_profile=matrix_profile(DISPLAY_P3), lossless=True)
    assert np.abs(im.load_image(path).numpy() - expected).max() <= 2
    assert np.abs(expected - colours).max() > 10  # without the profile it would be plainly wrong


def test_broken_profile_is_passed_over(tmp_path):
    Image.new("RGB", (8, 8), (90, 120, 60)).save(tmp_path / "a.png", icc_profile=b"no profile")
    assert (im.load_image(tmp_path / "a.png") == torch.tensor([90, 120, 60])).all()


def heic_head(brand: bytes, *compatible: bytes) -> bytes:
    content = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return (len(content) + 4).to_bytes(4, "big") + content + bytes(200)


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is not None, reason="pillow-heif reads HEIC here")
@pytest.mark.parametrize("brands", [(b"heic", b"mif1"), (b"mif1", b"heic"), (b"heix",)])
def test_heic_is_rejected_by_name_where_nothing_reads_it(tmp_path, brands):
    (tmp_path / "IMG_1.HEIC").write_bytes(heic_head(*brands))
    for read in (im.load_image, open_frames):
        with pytest.raises(ValueError, match=r"the HEIC image .*IMG_1\.HEIC.*install pillow-heif, or export"):
            read(tmp_path / "IMG_1.HEIC")


def test_avif_is_not_taken_for_heic(tmp_path):
    Image.new("RGB", (32, 32), (90, 120, 60)).save(tmp_path / "a.avif")
    assert im.load_image(tmp_path / "a.avif").shape == (32, 32, 3)
    (tmp_path / "b.avif").write_bytes(heic_head(b"mif1", b"avif"))
    im.prepare_heic(tmp_path / "b.avif")


def test_heic_is_read_whole_where_pillow_heif_is_installed(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.from_pillow(Image.new("RGB", (1200, 900), (90, 120, 60))).save(tmp_path / "a.heic")
    assert im.load_image(tmp_path / "a.heic").shape == open_frames(tmp_path / "a.heic").size + (3,) == (900, 1200, 3)


def noise(height: int, width: int) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_lacks_only_its_end_mark_is_read_and_told(tmp_path, caplog, progressive):
    noise(40, 56).save(tmp_path / "whole.jpg", progressive=progressive)
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "endless.jpg").write_bytes(content[:-2])
    assert torch.equal(im.load_image(tmp_path / "endless.jpg"), im.load_image(tmp_path / "whole.jpg"))
    assert "'endless.jpg' has no end" in caplog.text
    (tmp_path / "cut.jpg").write_bytes(content[:-40])
    with pytest.raises(ValueError, match="Expected a complete image .* truncated"):
        im.load_image(tmp_path / "cut.jpg")


def test_large_jpeg_is_read_smaller_and_told(tmp_path, caplog, monkeypatch):
    noise(200, 320).resize((640, 400)).save(tmp_path / "large.jpg")
    monkeypatch.setattr(im, "MAX_WHOLE_PIXELS", 30_000)
    assert im.load_image(tmp_path / "large.jpg").shape == (100, 160, 3)
    assert "of 640 x 400 px is read at 160 x 100 px" in caplog.text
    # Beyond Pillow's own limit, too.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    assert im.load_image(tmp_path / "large.jpg").shape == (100, 160, 3)
    monkeypatch.setattr(im, "MAX_JPEG_PIXELS", 200_000)
    with pytest.raises(ValueError, match="megapixels .* make it smaller"):
        im.load_image(tmp_path / "large.jpg")


def test_format_that_a_program_of_its_own_would_draw_is_rejected(tmp_path):
    noise(8, 8).save(tmp_path / "face.eps")
    (tmp_path / "face.png").write_bytes((tmp_path / "face.eps").read_bytes())
    with pytest.raises(ValueError, match="Expected a complete image"):
        im.load_image(tmp_path / "face.png")
