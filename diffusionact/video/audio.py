"""Sound of a driving file, carried into a written video: packets are copied, or re-encoded to AAC where they must be.

Time runs in seconds from the first image of the written video; what sounds earlier is left out. Whether and how the
sound can be carried is tried out on its beginning, before any image is made.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.packet import Packet

from .containers import opened, sound_track
from .sound_reading import SAMPLE_FORMAT, SoundReader, UnreadableSoundError, image_begin

logger = logging.getLogger(__name__)

CONTAINER_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# Codecs that players expect in these containers; anything else is re-encoded. Matroska takes what FFmpeg can put there.
COPIED_CODECS = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
    ".webm": {"opus", "vorbis"},
}
# WebM takes no AAC; Opus knows one rate, and is kept to what every player takes.
OPUS_RATE, OPUS_LAYOUTS = 48000, {1: "mono"}
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
HIGH_AAC_RATES = (64000, 88200, 96000)  # kept where the track has one of them
AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}  # others become 5.1
AAC_FRAME = 1024  # samples
TRIAL_S = Fraction(1)
# What FFmpeg says of packets that do not fit; anything else (a full disk) is no matter of the sound.
UNFIT = (av.error.ArgumentError, av.error.InvalidDataError)


def sound_problem(path: str | os.PathLike[str], suffix: str = ".mp4", begin: Fraction | None = None) -> str | None:
    """Why the sound of a file cannot be carried into a video of this suffix; None if it can."""
    try:
        can_copy_sound(Path(path), suffix, begin)
    except UnreadableSoundError as error:
        return error.reason
    return None


def can_copy_sound(path: Path, suffix: str, begin: Fraction | None) -> bool:
    """Try the beginning of the sound in memory: whether its packets can be copied; if not, they can be re-encoded.

    Raises:
        UnreadableSoundError: if neither is possible.
    """
    try:
        if _is_usual(path, suffix):
            with suppress(av.FFmpegError, ValueError):
                _try(path, suffix, begin, copied=True)
                return True
        _try(path, suffix, begin, copied=False)
    except av.FFmpegError as error:
        raise UnreadableSoundError(path, str(error)) from error
    return False


def _is_usual(path: Path, suffix: str) -> bool:
    """Whether players expect the sound's codec in such a file."""
    with opened(path) as container:
        track = sound_track(container)
        if track is None:
            raise UnreadableSoundError(path, "no audio stream")
        codec = track.codec_context.name
    with av.open(io.BytesIO(), "w", format=CONTAINER_FORMATS[suffix]) as output:
        return codec in COPIED_CODECS.get(suffix, output.supported_codecs)


def _try(path: Path, suffix: str, begin: Fraction | None, copied: bool) -> None:
    with av.open(io.BytesIO(), "w", format=CONTAINER_FORMATS[suffix]) as output:
        carrier = _Copied(path, output, suffix, begin) if copied else _Encoded(path, output, suffix, begin)
        try:
            output.start_encoding()
            carrier.write_until(TRIAL_S, strict=True)
            if not carrier.has_sound:
                raise UnreadableSoundError(path, "nothing of it can be decoded")
        finally:
            carrier.close()


class AudioTrack:
    """Moves the sound of `path` into `output` in step with the images.

    Packets are never cut: the sound ends less than one packet (about 20 ms) after the last image.

    Args:
        path: file with sound.
        output: container that is being written, before its first packet.
        suffix: suffix of the written file, which decides between copying and re-encoding.
        begin: time of the first image, seconds in the file's own time; None is the first that can be decoded.

    Raises:
        FileNotFoundError: if there is no file at `path`.
        UnreadableSoundError: if the sound can neither be copied nor decoded.
    """

    def __init__(
        self, path: str | os.PathLike[str], output: OutputContainer, suffix: str, begin: Fraction | None = None
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(
                f"Expected a file with sound, received {str(self.path)!r} where no file lies; check the path."
            )
        try:
            begin = image_begin(self.path) if begin is None else begin
            self.copied = can_copy_sound(self.path, suffix, begin)
        except av.FFmpegError as error:
            raise UnreadableSoundError(self.path, str(error)) from error
        carrier = _Copied if self.copied else _Encoded
        self._carrier = carrier(self.path, output, suffix, begin)

    def write_until(self, end: Fraction) -> None:
        """Write all sound that begins before `end` seconds."""
        self._carrier.write_until(end)

    def finish(self) -> None:
        """Write what the encoder still holds; report what had to be left out."""
        self._carrier.finish()
        if self._carrier.left_out:
            logger.warning(
                "%d packets of the sound of %s are damaged; they are left out", self._carrier.left_out, self.path
            )

    def close(self) -> None:
        """Release the input file."""
        self._carrier.close()


class _Copied:
    """Packets as they are."""

    def __init__(self, path: Path, output: OutputContainer, suffix: str, begin: Fraction | None) -> None:
        self._output = output
        self._begin = image_begin(path) if begin is None else begin
        self._hides_priming = suffix in COPIED_CODECS
        self._input = opened(path)
        self._source = sound_track(self._input)
        self._stream = output.add_stream_from_template(self._source)
        self._items = self._packets()
        self._pending = next(self._items, None)
        self.has_sound = self._pending is not None
        self.left_out = 0

    def write_until(self, end: Fraction, strict: bool = False) -> None:
        while self._pending is not None and self._pending[0] < end:
            packet = self._pending[1]
            packet.stream = self._stream
            try:
                self._output.mux(packet)
            except UNFIT:
                if strict:
                    raise
                self.left_out += 1
            self._pending = next(self._items, None)

    def finish(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._items.close()
        self._input.close()

    def _packets(self) -> Iterator[tuple[Fraction, Packet]]:
        """Packets with their start in seconds; time stamps are shifted to the first image.

        A packet that ends at 0 primes the decoder: MP4 hides it with an edit list, Matroska would delay the images.
        """
        packets = self._input.demux(self._source)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # the file ends here
                return
            if packet is None:
                return
            if packet.pts is None or packet.dts is None:  # the demuxer's flush packet
                continue
            shift = round(self._begin / packet.time_base)
            packet.pts -= shift
            packet.dts -= shift
            if packet.pts + (packet.duration or 0 if self._hides_priming else 0) >= 0:
                yield packet.pts * packet.time_base, packet


class _Encoded:
    """Decoded sound as AAC, or Opus in WebM, at a rate and in a layout that players know."""

    def __init__(self, path: Path, output: OutputContainer, suffix: str, begin: Fraction | None) -> None:
        self._reader = SoundReader(path, begin)
        channels, is_opus = av.AudioLayout(self._reader.layout).nb_channels, suffix == ".webm"
        self._rate = OPUS_RATE if is_opus else _aac_rate(self._reader.rate)
        self._layout = OPUS_LAYOUTS.get(channels, "stereo") if is_opus else AAC_LAYOUTS.get(channels, "5.1")
        self._output = output
        self._stream = output.add_stream("libopus" if is_opus else "aac", rate=self._rate, layout=self._layout)
        self._pieces = self._cut_blocks()
        self._position = 0

    @property
    def has_sound(self) -> bool:
        return self._position > 0

    @property
    def left_out(self) -> int:
        return self._reader.damaged_packets

    def write_until(self, end: Fraction, strict: bool = False) -> None:
        while self._position < end * self._rate:
            piece = next(self._pieces, None)
            if piece is None:
                return
            packed = np.ascontiguousarray(piece.T).reshape(1, -1)
            frame = AudioFrame.from_ndarray(packed, SAMPLE_FORMAT, self._layout)
            frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
            frame.pts = self._position
            self._output.mux(self._stream.encode(frame))
            self._position += piece.shape[1]

    def finish(self) -> None:
        self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        self._pieces.close()
        self._reader.close()

    def _cut_blocks(self) -> Iterator[np.ndarray]:
        for block in self._reader.blocks(self._rate, self._layout):
            for begin in range(0, block.shape[1], AAC_FRAME):
                yield block[:, begin : begin + AAC_FRAME]


def _aac_rate(rate: int) -> int:
    """The rate itself if AAC knows it, else the next higher one that every player takes, at most 48 kHz."""
    if rate in HIGH_AAC_RATES:
        return rate
    return next((known for known in AAC_RATES if known >= rate), AAC_RATES[-1])
