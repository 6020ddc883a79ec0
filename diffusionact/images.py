"""Ranges and layouts of images, and image files: the only file that knows them.

Three forms exist: *frames* (F, H, W, 3) uint8 (files, trackers), *unit* (F, H, W, 3) float in [0, 1] (ComfyUI's IMAGE)
and *model* (F, 3, H, W) float in [-1, 1] (networks). All are RGB, as sRGB files store it.
"""

from __future__ import annotations

import io
import logging
import os
import re
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, PngImagePlugin
from torch import Tensor

logger = logging.getLogger(__name__)

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis")
HEIF_HEAD = 64  # bytes of a file that hold its brands
PROVENANCE = "AI-generated, DiffusionAct"

# Plain images only: Pillow hands others to programs of their own (EPS to Ghostscript) or knows no more than their name.
IMAGE_FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "HEIF", "ICNS", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "PSD", "QOI",
    "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
# A JPEG beyond the first is read at a half, a quarter or an eighth of its sides; one beyond the second is rejected.
MAX_WHOLE_PIXELS = 64_000_000
MAX_JPEG_PIXELS = 256_000_000
JPEG_END = b"\xff\xd9"
JPEG_FILLER = bytes(range(1, 255)) * 4
# What Pillow raises at damaged files, as fuzzing found.
IMAGE_ERRORS = (
    OSError, SyntaxError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError,
    struct.error,
)  # fmt: skip

# What lies under a transparent pixel is arbitrary (often black); white is what most viewers show.
TRANSPARENT_BACKGROUND = (255, 255, 255, 255)


def uint8_to_model(frames: Tensor) -> Tensor:
    """Map frames (F, H, W, 3) uint8 to model images (F, 3, H, W) float32: x / 127.5 - 1."""
    return frames.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 127.5 - 1.0


def model_to_uint8(images: Tensor) -> Tensor:
    """Map model images (F, 3, H, W) to frames (F, H, W, 3) uint8: (x + 1) * 127.5, rounded, clamped to 0..255.

    Rounding makes this the exact inverse of `uint8_to_model` for all 256 levels; diffusion output may leave [-1, 1]
    slightly, hence the clamp.
    """
    levels = ((images.float() + 1.0) * 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def unit_to_model(images: Tensor) -> Tensor:
    """Map unit images (F, H, W, 3) in [0, 1] to model images (F, 3, H, W) in [-1, 1]: 2 x - 1."""
    return images.permute(0, 3, 1, 2).contiguous() * 2.0 - 1.0


def model_to_unit(images: Tensor) -> Tensor:
    """Map model images (F, 3, H, W) to unit images (F, H, W, 3): (x + 1) / 2, clamped to [0, 1]."""
    return ((images + 1.0) / 2.0).clamp(0.0, 1.0).permute(0, 2, 3, 1).contiguous()


def uint8_to_unit(frames: Tensor) -> Tensor:
    """Map frames (F, H, W, 3) uint8 to unit images (F, H, W, 3) float32: x / 255."""
    return frames.to(torch.float32) / 255.0


def unit_to_uint8(images: Tensor) -> Tensor:
    """Map unit images (F, H, W, 3) to frames (F, H, W, 3) uint8: 255 x, rounded, clamped to 0..255."""
    return (images.float() * 255.0).round().clamp(0, 255).to(torch.uint8)


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Resize model images bilinearly with antialiasing; the range is kept because bilinear weights never overshoot.

    Args:
        images: (F, 3, H, W) float, any range.
        size: new side of a square, or (height, width), pixels. The aspect ratio is not kept.

    Returns:
        (F, 3, height, width) float.
    """
    height_width = (size, size) if isinstance(size, int) else size
    return F.interpolate(images, size=height_width, mode="bilinear", align_corners=False, antialias=True)


def middle_square(frame: Tensor, size: int) -> Tensor:
    """The middle square of a frame uint8 (H, W, 3), at `size` px a side, on the CPU: a panel of a side-by-side view."""
    side = min(frame.shape[:2])
    top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
    square = frame[top : top + side, left : left + side].cpu()
    return model_to_uint8(resize(uint8_to_model(square[None]), size))[0]


def load_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image file as a frame; see `image_to_frame` for what happens to each kind of image.

    The first image of an animation is taken.

    Returns:
        (H, W, 3) uint8 RGB, upright.

    A JPEG of more than 64 megapixels is read at a half, a quarter or an eighth of its sides, and one that lacks nothing
    but the mark at its end is read whole; a warning tells both.

    Raises:
        FileNotFoundError: if there is no file at `path`.
        ValueError: if the file is empty, truncated, too large, or no image that Pillow reads.
    """
    return image_to_frame(read_image(path))


def read_image(path: str | os.PathLike[str]) -> Image.Image:
    """Read an image file whole, as it is stored; errors are those of `load_image`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected an image file, {describe_missing(path)}")
    prepare_heic(path)
    try:
        with open_image(path) as opened:
            return _loaded(opened, path)
    except Image.DecompressionBombError as error:
        raise too_many_pixels(path) from error
    except IMAGE_ERRORS as error:
        raise ValueError(
            f"Expected a complete image that Pillow can read, received {str(path)!r} of {Path(path).stat().st_size} "
            f"bytes ({error}); export it again as PNG or JPEG."
        ) from error


def too_many_pixels(path: str | os.PathLike[str]) -> ValueError:
    """The error for an image that Pillow takes for a bomb."""
    return ValueError(
        f"Expected an image of at most {Image.MAX_IMAGE_PIXELS * 2 // 1_000_000} megapixels (JPEG: "
        f"{MAX_JPEG_PIXELS // 1_000_000}), received {str(path)!r} of more; make it smaller."
    )


def open_image(path: str | os.PathLike[str]) -> Image.Image:
    """Open an image of a plain format with Pillow; nothing of its pixels is read yet.

    Raises:
        OSError: if it is no image of IMAGE_FORMATS.
        Image.DecompressionBombError: if it has too many pixels.
    """
    Image.init()  # registers all that this Pillow knows
    try:
        image = Image.open(path, formats=[name for name in IMAGE_FORMATS if name in Image.OPEN])
    except Image.DecompressionBombError as error:
        image = _large_jpeg(path, error)
    return _drafted(image, path) if image.format == "JPEG" else image


def _large_jpeg(path: str | os.PathLike[str], error: Image.DecompressionBombError) -> Image.Image:
    """A JPEG beyond Pillow's own limit, which only `_drafted` makes small enough."""
    try:
        image = JpegImagePlugin.JpegImageFile(path)
    except (OSError, SyntaxError):
        raise error from None
    if image.width * image.height <= MAX_JPEG_PIXELS:
        return image
    image.close()
    raise error


def _drafted(image: Image.Image, path: str | os.PathLike[str]) -> Image.Image:
    """Let the decoder of a JPEG leave out frequencies, so that at most MAX_WHOLE_PIXELS are kept."""
    size, scale = image.size, 1
    while size[0] * size[1] > MAX_WHOLE_PIXELS * scale**2 and scale < 8:
        scale *= 2
    if scale > 1:
        image.draft(None, (size[0] // scale, size[1] // scale))
        logger.warning("%r of %d x %d px is read at %d x %d px", Path(path).name, *size, *image.size)
    return image


def _loaded(image: Image.Image, path: str | os.PathLike[str]) -> Image.Image:
    """Read the pixels of an opened image; of a JPEG that lacks the mark of its end and nothing else, too.

    What follows a complete scan does not change the image: filler in place of missing data would.
    """
    try:
        image.load()
        return image
    except OSError:
        if image.format not in ("JPEG", "MPO"):
            raise
    content = Path(path).read_bytes()
    whole = Image.open(io.BytesIO(content + JPEG_END), formats=("JPEG", "MPO"))
    filled = Image.open(io.BytesIO(content + JPEG_FILLER + JPEG_END), formats=("JPEG", "MPO"))
    if _drafted(whole, path).tobytes() != _drafted(filled, path).tobytes():
        raise OSError("image file is truncated")
    logger.warning("%r has no end; all of the image is there", Path(path).name)
    return whole


def prepare_heic(path: str | os.PathLike[str]) -> None:
    """Let Pillow read a HEIC image; other files are left alone.

    Raises:
        ValueError: if it is one, and nothing here reads it: FFmpeg would take one of its tiles for the image.
    """
    with open(path, "rb") as file:
        head = file.read(HEIF_HEAD)
    brand, compatible = head[8:12], head[16:]
    is_heic = brand in HEIC_BRANDS or (brand == b"mif1" and b"avif" not in compatible)
    if head[4:8] != b"ftyp" or not is_heic:
        return
    try:
        import pillow_heif
    except ImportError as error:
        raise ValueError(
            f"Expected an image that Pillow can read, received the HEIC image {str(path)!r}; install pillow-heif, or "
            f"export the image as JPEG."
        ) from error
    pillow_heif.register_heif_opener()


def describe_missing(path: str | os.PathLike[str]) -> str:
    """What was received in place of a file, and what to do: the end of an error's sentence."""
    name = os.fspath(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", name):  # pathlib makes one slash of two
        return f"received the address {name!r}; download it first: nothing is fetched from the net."
    if name == "-" or (Path(path).exists() and not Path(path).is_dir()):
        return f"received {name!r}, a pipe or device; save it as a file first: inputs are read more than once."
    return f"received {name!r} where nothing lies; check the path."


def image_to_frame(image: Image.Image) -> Tensor:
    """Convert any Pillow image to an upright (H, W, 3) uint8 RGB frame.

    The EXIF orientation is applied; transparent pixels are laid over white; 16-bit greys keep their upper eight bits;
    the colours of an embedded profile (Display P3, Adobe RGB, CMYK) become those of sRGB; grey, palette and CMYK images
    without one become RGB by Pillow's own rule.

    Raises:
        ValueError: if the image holds floating-point values, whose range is unknown.
    """
    image = upright_srgb(image)
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, TRANSPARENT_BACKGROUND)
        image = Image.alpha_composite(background, image.convert("RGBA"))
    return torch.from_numpy(np.array(image.convert("RGB")))


def upright_srgb(image: Image.Image) -> Image.Image:
    """`image_to_frame` up to the transparency, which is left as it is."""
    image = _upright(image)
    if image.mode == "F":
        raise ValueError(
            f"Expected an image with integer levels, received floating-point values in range "
            f"{image.getextrema()}; export it as 8-bit or 16-bit PNG."
        )
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
        image = Image.fromarray(levels.astype(np.uint8))
    return _to_srgb(image)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; metadata that cannot be read are no reason to reject an image."""
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, ZeroDivisionError, struct.error):
        return image


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert from an embedded colour profile to sRGB; one that cannot be read is passed over, as viewers do."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "P"):
        return image
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(embedded).startswith("sRGB"):
            return image
        if image.mode == "P":
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        target, mode = ImageCms.createProfile("sRGB"), "RGBA" if image.mode == "RGBA" else "RGB"
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return ImageCms.profileToProfile(image, embedded, target, intent, mode)
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        return image


def save_png(path: str | os.PathLike[str], frame: Tensor, provenance: bool = True) -> None:
    """Write one frame as PNG; the file appears under its name only when it is complete.

    Args:
        path: file to write or replace; its folder must exist.
        frame: (H, W, 3) uint8 RGB, or (H, W, 4) with alpha, any device.
        provenance: note in the file's text chunks (`Software`, `Comment`) that the image was generated.

    Raises:
        ValueError: if `frame` is not uint8 of that shape.
        OSError: if the folder is absent or cannot be written.
    """
    if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[2] not in (3, 4):
        raise ValueError(
            f"Expected a frame (H, W, 3 or 4) uint8, received shape {tuple(frame.shape)}, {frame.dtype}; convert model "
            f"images with model_to_uint8 and save them one at a time."
        )
    notes = PngImagePlugin.PngInfo()
    if provenance:
        notes.add_text("Software", "DiffusionAct")
        notes.add_text("Comment", PROVENANCE)
    with written_under_temporary_name(path) as temporary:
        Image.fromarray(frame.cpu().numpy()).save(temporary, format="PNG", pnginfo=notes)


@contextmanager
def written_under_temporary_name(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` at the end, or remove it after an error.

    A file system error inside is raised again as the same class, with what to do.
    """
    path = Path(path)
    temporary = temporary_sibling(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def temporary_sibling(path: Path) -> Path:
    """A fresh hidden name in the folder of `path`, ending in `.tmp`.

    Raises:
        OSError: if that folder does not exist or is no folder.
    """
    if not path.parent.is_dir():
        error_class = NotADirectoryError if path.parent.exists() else FileNotFoundError
        raise error_class(
            f"Expected an existing folder to write {path.name!r} into, received {str(path.parent)!r} which is none; "
            f"create it or choose another output path."
        )
    return path.with_name(f".{path.name[:32]}.{uuid.uuid4().hex[:8]}.tmp")


def unwritable(path: Path, error: OSError) -> OSError:
    """The same class of error as `error`, saying which output failed and what to do."""
    message = (
        f"Expected to be able to write {str(path)!r}, received {error.strerror or error} from the file system; check "
        f"permissions and free space or choose another output path."
    )
    return type(error)(message)
