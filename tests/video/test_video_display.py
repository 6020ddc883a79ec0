"""Frames as players show them: turned and mirrored, square pixels, colours; and streams that change their size."""

from fractions import Fraction

import av
import numpy as np
import pytest
from odd_clips import index_of, patch_matrix, write_coded

from diffusionact.video import open_frames
from diffusionact.video.tone_mapping import DIFFUSE_WHITE, HLG, PQ, tone_map

# (a, b, c, d) of the display matrix -> what becomes of the stored image, by QuickTime's rule x' = a x + c y.
ORIENTATIONS = {
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "turned clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "turned counter-clockwise": ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored up and down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
}


def uneven_image(height: int = 48, width: int = 64) -> np.ndarray:
    """An image that differs from all its turned and mirrored selves."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[: height // 4, : width // 2] = (200, 40, 40)
    image[: height // 2, : width // 8] = (40, 40, 200)
    return image


def write_image(path, image, codec="libx264", pix_fmt="yuv420p", aspect=None, tags=None, count=3):
    """A clip of one image, as it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options={"crf": "4"} if codec == "libx264" else {})
        frame = image if isinstance(image, av.VideoFrame) else av.VideoFrame.from_ndarray(image, "rgb24")
        stream.height, stream.width, stream.pix_fmt = frame.height, frame.width, pix_fmt
        context = stream.codec_context
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        for index in range(count):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def difference(first, second) -> float:
    return float(np.abs(np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)).mean())


@pytest.mark.parametrize("kind", ORIENTATIONS)
def test_all_eight_orientations_are_shown_as_players_do(tmp_path, kind):
    matrix, turn = ORIENTATIONS[kind]
    clip = write_image(tmp_path / "phone.mp4", uneven_image())
    stored = next(iter(open_frames(clip))).numpy()
    frames = open_frames(patch_matrix(clip, matrix))
    shown = next(iter(frames)).numpy()
    assert frames.size == shown.shape[:2] == turn(stored).shape[:2]
    assert np.array_equal(shown, turn(stored))


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((160, 80), "2:1", (160, 160)),
        ((144, 180), "64:45", (144, 256)),
        ((144, 88), "32:11", (144, 256)),
        ((96, 144), "8:9", (108, 144)),
        ((48, 64), "1:1", (48, 64)),
    ],
)
def test_pixels_become_square_without_losing_any(tmp_path, size, aspect, shown):
    ratio = Fraction(*map(int, aspect.split(":")))
    frames = open_frames(write_image(tmp_path / "dv.mp4", uneven_image(*size), aspect=ratio))
    assert frames.size == shown
    assert difference(next(iter(frames)), uneven_image(*shown)) < 3


def test_pixels_of_a_turned_clip_become_square_before_it_is_turned(tmp_path):
    clip = write_image(tmp_path / "phone.mp4", uneven_image(96, 64), aspect=Fraction(2))
    frames = open_frames(patch_matrix(clip, (0, 1, -1, 0)))
    assert frames.size == (128, 96)
    assert difference(next(iter(frames)), np.rot90(uneven_image(96, 128), -1)) < 3


def test_stream_that_changes_its_size_is_fitted_into_the_first(tmp_path):
    clip = tmp_path / "call.ts"
    parts = [
        write_coded(tmp_path / f"{number}.ts", [0, 1, 2], "mpeg2video", size=size)
        for number, size in enumerate([(96, 96), (96, 64)])
    ]
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    shown = list(open_frames(clip))
    assert {frame.shape for frame in shown} == {(96, 96, 3)} and len(shown) >= 5  # decoders drop one at the change
    assert not shown[-1][:, :14].any() and not shown[-1][:, -14:].any()
    assert index_of(shown[-1][:, 16:-16]) == 2


@pytest.mark.parametrize(("height", "matrix"), [(720, 1), (480, 5)])
def test_untagged_colours_are_bt709_from_720_lines_on(tmp_path, height, matrix):
    image = np.full((height, 320, 3), (200, 60, 90), np.uint8)
    image[:, 160:] = (60, 180, 90)
    frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
    frame.colorspace, frame.color_range = 2, 1
    clip = write_image(tmp_path / "untagged.mp4", frame, count=1)
    with av.open(str(clip)) as container:
        assert next(container.decode(video=0)).colorspace == 2
    assert difference(next(iter(open_frames(clip))), image) < 2


def hdr_levels(image: np.ndarray, transfer: int) -> np.ndarray:
    """sRGB levels as full-range 16-bit levels of HDR video whose diffuse white is 203 cd/m2; primaries BT.2020."""
    level = image / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    light = (light @ to_2020.T).clip(0)
    if transfer == PQ:
        power = (light * DIFFUSE_WHITE / 10000) ** (2610 / 16384)
        signal = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    else:
        display = light * DIFFUSE_WHITE / 1000
        luminance = display @ np.array([0.2627, 0.6780, 0.0593])
        scene = display * np.where(luminance > 0, luminance, 1)[..., None] ** (1 / 1.2 - 1)
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    return np.rint(signal.clip(0, 1) * 65535).astype(np.uint16)


SKIN_AND_GREYS = np.array(
    [[[224, 172, 135], [141, 85, 60], [90, 56, 37], [30, 30, 30], [128, 128, 128], [200, 60, 50], [60, 80, 190]]]
)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_below_diffuse_white_has_the_levels_of_ordinary_video(transfer):
    shown = tone_map(hdr_levels(SKIN_AND_GREYS, transfer), transfer)
    assert np.abs(shown.astype(int) - SKIN_AND_GREYS).max() <= 4


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_highlights_rise_smoothly_to_white(transfer):
    ramp = np.repeat(np.linspace(0, 65535, 500).astype(np.uint16)[None, :, None], 3, axis=2)
    shown = tone_map(ramp, transfer)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all() and np.diff(shown).max() < 12
    assert shown[0] == 0 and shown[-1] >= 254


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "pq"), (HLG, "hlg")])
def test_hdr_clip_is_shown_with_the_colours_of_its_ordinary_twin(tmp_path, transfer, name):
    image = np.repeat(np.repeat(SKIN_AND_GREYS, 16, axis=1), 64, axis=0)
    rgb = av.VideoFrame.from_ndarray(hdr_levels(image, transfer), "rgb48le")
    frame = rgb.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
    tags = {"color_primaries": 9, "color_trc": transfer, "colorspace": 9, "color_range": 1}
    clip = write_image(tmp_path / f"{name}.mp4", frame, "libx265", "yuv420p10le", tags=tags)
    shown = next(iter(open_frames(clip))).numpy()
    for column in range(7):
        middle = shown[16:48, column * 16 + 5 : column * 16 + 11].reshape(-1, 3).mean(axis=0)
        assert np.abs(middle - SKIN_AND_GREYS[0, column]).max() < 10, column
