"""Videos written frame by frame under a temporary name: exact rate, sound of the driving file, provenance note."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace
from torch import Tensor

from ..checks import check_in_range
from ..images import PROVENANCE, save_png, temporary_sibling, unwritable
from .audio import CONTAINER_FORMATS, AudioTrack
from .frame_source import FrameSource
from .timing import VARIABLE_TIME_BASE, FrameTime
from .transparent_encoding import TRANSPARENT_ENCODINGS, note_provenance_in_webp, padded_rgba

MAX_DENOMINATOR = 100_000  # averages of long clips would not fit into the 32-bit fractions of a container
DEFAULT_CRF = 18  # x264: visually lossless for most material
OPAQUE_FORMATS = (".mp4", ".mov", ".mkv")
# Frames that x264 holds before it encodes one: its default, and fewer where they are larger than full HD, so that the
# memory is the same.
MAX_LOOKAHEAD, MIN_LOOKAHEAD, LOOKAHEAD_PX = 40, 8, 40 * 1920 * 1080
BT709 = 1  # H.273 code point for primaries, transfer and matrix alike


class VideoWriter:
    """Write frames as H.264 video (.mp4, .mov, .mkv), or as a new folder of PNG files where `path` has no suffix.

    The file is 4:2:0 with BT.709 colours in limited range. 4:2:0 needs even sides: where a side is odd, the last row or
    column is repeated once. A folder holds 000000.png, 000001.png, ... and no sound. Everything is written under a
    temporary name beside `path` and renamed at the end of the `with` block; after an exception nothing is left, and an
    older file stays.

    With alpha it is ProRes 4444 (.mov), VP9 (.webm), animated WebP (.webp, without sound), or the folder.

    Args:
        path: output; its parent folder must exist.
        frame_rate: frames a second, kept exactly in rate and time base (denominators up to 100000).
        size: (height, width) of the frames, pixels.
        audio_from: file whose first audio stream is passed through, cut to the length of the video; None for silence.
        crf: x264 quality, 0 (lossless) to 51.
        provenance: note in the file's metadata that the video was generated.
        clip: what the frames were made from, one by one: each shows when that frame of the clip showed, and the sound
            begins with the clip; None shows them at `frame_rate`, with the sound from the first image of its file. The
            clip must be read ahead of the writing.
        audio_begin: second of `audio_from`, in its own time, at which the sound begins; None is where `clip` does.
        transparent: frames are RGBA.

    Raises:
        ValueError: for an unknown suffix, a wrong frame, a file without sound in `audio_from`, or no frames at all.
        OSError: if the output cannot be written, or the output folder exists and is not empty.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        frame_rate: Fraction,
        size: tuple[int, int],
        audio_from: str | os.PathLike[str] | None = None,
        crf: int = DEFAULT_CRF,
        provenance: bool = True,
        clip: FrameSource | None = None,
        audio_begin: Fraction | None = None,
        transparent: bool = False,
    ) -> None:
        self.path = Path(path)
        self.frame_rate = Fraction(frame_rate).limit_denominator(MAX_DENOMINATOR)
        self.clip = clip
        self.size = tuple(size)
        self.audio_from = audio_from
        self.audio_begin = clip.begin if audio_begin is None and clip is not None else audio_begin
        self.crf = crf
        self.provenance = provenance
        self.frame_count = 0
        self._channels = 4 if transparent else 3
        known = TRANSPARENT_ENCODINGS if transparent else OPAQUE_FORMATS
        if self.path.suffix and self.path.suffix.lower() not in known:
            raise ValueError(
                f"Expected an output{' with alpha' if transparent else ''} ending in {', '.join(known)}, or without "
                f"suffix for a folder of PNG files, received {str(path)!r}; change the suffix."
            )
        if self.frame_rate <= 0:
            raise ValueError(f"Expected a positive frame rate, received {frame_rate!r}; pass the driving video's rate.")
        check_in_range("crf", crf, 0, 51)

    def __enter__(self) -> VideoWriter:
        self._temporary = temporary_sibling(self.path)
        try:
            self._make_temporary()
            self._sink = self._open_sink()
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, frame: Tensor) -> None:
        """Append one (H, W, 3) uint8 RGB frame, or RGBA (H, W, 4), of the size given at the start; any device."""
        wanted = (*self.size, self._channels)
        if frame.dtype != torch.uint8 or tuple(frame.shape) != wanted:
            raise ValueError(
                f"Expected frame {self.frame_count} of {str(self.path)!r} as {wanted} uint8, received shape "
                f"{tuple(frame.shape)}, {frame.dtype}; convert with images.model_to_uint8 and keep one size."
            )
        self._sink.write(frame.cpu(), self.frame_count, self._time(self.frame_count))
        self.frame_count += 1

    def _time(self, index: int) -> FrameTime:
        if self.clip is not None:
            return self.clip.time(index)
        return FrameTime(index / self.frame_rate, 1 / self.frame_rate)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._sink.finish()
                self._publish()
        finally:
            self._sink.release()
            self._discard()

    def _make_temporary(self) -> None:
        try:
            in_use = _is_in_use(self.path)
            if self.path.suffix:
                self._temporary.touch()
            else:
                self._temporary.mkdir()
        except OSError as error:
            raise unwritable(self.path, error) from error
        if in_use:
            raise FileExistsError(
                f"Expected a file to replace or a new or empty folder, received {str(self.path)!r} which is in use; "
                f"remove it or choose another output path."
            )

    def _open_sink(self) -> _ImageFolder | _EncodedFile:
        if not self.path.suffix:
            return _ImageFolder(self._temporary, self.provenance)
        time_base = 1 / self.frame_rate
        if self.clip is not None and not self.clip.is_even:
            time_base = VARIABLE_TIME_BASE
        notes = {"comment": PROVENANCE} if self.provenance else {}
        kind = _TransparentFile if self._channels == 4 else _EncodedFile
        sink = kind(self.path, self._temporary, (self.frame_rate, time_base), self.size, self.crf, notes)
        if self.audio_from is not None and sink.has_sound:
            sink.add_audio(self.audio_from, self.audio_begin)
        return sink

    def _publish(self) -> None:
        if self.frame_count == 0:
            raise ValueError(
                f"Expected at least one frame for {str(self.path)!r}, received none; check the driving video."
            )
        try:
            if self.path.is_dir():
                self.path.rmdir()  # it is empty; not every system renames onto a folder
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _discard(self) -> None:
        if self._temporary.is_dir():
            shutil.rmtree(self._temporary)
        else:
            self._temporary.unlink(missing_ok=True)


def _is_in_use(path: Path) -> bool:
    """True if writing to `path` would need something else to go first: a file is replaced, a folder of files is not."""
    if not path.exists():
        return False
    if path.suffix:
        return path.is_dir()
    return not path.is_dir() or any(path.iterdir())


class _ImageFolder:
    """A new folder of numbered PNG files."""

    def __init__(self, folder: Path, provenance: bool) -> None:
        self._folder = folder
        self._provenance = provenance

    def write(self, frame: Tensor, index: int, time: FrameTime) -> None:
        save_png(self._folder / f"{index:06d}.png", frame, self._provenance)

    def finish(self) -> None:
        """Every image is already in its file."""

    def release(self) -> None:
        """No file is open between two images."""


class _EncodedFile:
    """An H.264 stream and, where wanted, the sound beside it."""

    has_sound = True

    def __init__(
        self,
        path: Path,
        temporary: Path,
        timing: tuple[Fraction, Fraction],
        size: tuple[int, int],
        crf: int,
        notes: dict[str, str],
    ) -> None:
        height, width = size
        frame_rate, self._time_base = timing
        self._path = path
        self._padding = ((0, height % 2), (0, width % 2), (0, 0))
        self._last_ticks = -1
        self._audio: AudioTrack | None = None
        self._lookahead = max(MIN_LOOKAHEAD, min(MAX_LOOKAHEAD, LOOKAHEAD_PX // (height * width)))
        self._open(temporary.absolute(), frame_rate, crf, notes)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.time_base = self._time_base
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = ColorRange.MPEG

    def _open(self, temporary: Path, frame_rate: Fraction, crf: int, notes: dict[str, str]) -> None:
        container_format = CONTAINER_FORMATS[self._path.suffix.lower()]
        # The index goes to the front of the file, so that browsers can start before they have it all.
        options = {} if container_format == "matroska" else {"movflags": "+faststart"}
        self._container = av.open(str(temporary), "w", format=container_format, options=options)
        self._container.metadata.update(notes)
        options = {"crf": str(crf), "rc-lookahead": str(self._lookahead)}
        self._stream = self._container.add_stream("libx264", rate=frame_rate, options=options)
        self._stream.pix_fmt = "yuv420p"

    def add_audio(self, source: str | os.PathLike[str], begin: Fraction | None) -> None:
        try:
            self._audio = AudioTrack(source, self._container, self._path.suffix.lower(), begin)
            self._container.start_encoding()  # packets of sound need the time base that the header gives them
        except BaseException:
            self._container.close()
            raise

    def write(self, frame: Tensor, index: int, time: FrameTime) -> None:
        image = self._image(frame)
        self._last_ticks = max(round(time.start / self._time_base), self._last_ticks + 1)
        image.pts, image.time_base = self._last_ticks, self._time_base
        image.duration = max(1, round(time.duration / self._time_base))
        try:
            self._container.mux(self._stream.encode(image))
            if self._audio is not None:
                self._audio.write_until(time.end)
        except av.FFmpegError as error:
            raise self._failed(error) from error

    def _image(self, frame: Tensor) -> av.VideoFrame:
        pixels = np.pad(frame.numpy(), self._padding, mode="edge")
        return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )

    def finish(self) -> None:
        """Flush the encoders and write the end of the file."""
        try:
            self._container.mux(self._stream.encode(None))
            if self._audio is not None:
                self._audio.finish()
            self._container.close()
        except av.FFmpegError as error:
            raise self._failed(error) from error

    def release(self) -> None:
        """Close the files, whatever state they are in."""
        if self._audio is not None:
            self._audio.close()
        with suppress(av.FFmpegError):  # an unfinished file may fail to close; it is removed anyway
            self._container.close()

    def _failed(self, error: av.FFmpegError) -> OSError:
        if error.errno == errno.EINVAL:
            return OSError(
                f"Expected to write {str(self._path)!r}, received {error.strerror} from the encoder, which cannot take "
                f"these frames or this sound; choose another suffix, or leave out the sound."
            )
        return OSError(
            f"Expected to write {str(self._path)!r}, received {error.strerror} from the encoder or file system; check "
            f"free space or choose another output path."
        )


class _TransparentFile(_EncodedFile):
    """A stream with alpha."""

    def _open(self, temporary: Path, frame_rate: Fraction, crf: int, notes: dict[str, str]) -> None:
        self._encoding = encoding = TRANSPARENT_ENCODINGS[self._path.suffix.lower()]
        self._temporary, self._has_note, self.has_sound = temporary, bool(notes), encoding.has_sound
        self._container = av.open(
            str(temporary), "w", format=encoding.container, options=dict(encoding.container_options)
        )
        self._container.metadata.update(notes)
        self._stream = self._container.add_stream(encoding.codec, rate=frame_rate, options=dict(encoding.options))
        self._stream.pix_fmt = encoding.pixels

    def _image(self, frame: Tensor) -> av.VideoFrame:
        image = av.VideoFrame.from_ndarray(padded_rgba(frame, self._padding), format="rgba")
        if self._encoding.pixels == "bgra":
            return image.reformat(format="bgra")
        return image.reformat(
            format=self._encoding.pixels, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )

    def finish(self) -> None:
        """See `_EncodedFile`; an animated WebP gets its note of origin."""
        super().finish()
        if self._has_note and not self.has_sound:
            note_provenance_in_webp(self._temporary)
