"""Sound of a file as samples without gaps, in seconds from a given moment; what cannot be decoded becomes silence.

Foreign sound needs no process of its own. PyAV frees the channel order of a sound track twice if it is not one of
FFmpeg's own, which ends the process; so every track gets one of those before it is decoded, and its channels are put
into that order afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from .containers import first_image_seconds, opened, sound_track

# FFmpeg's own order of channels, and its layout for a number of channels of which nothing is known.
NATIVE_ORDER = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"),
    *("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
SAMPLE_FORMAT = "flt"  # packed: PyAV looks for planes behind the eighth where there are eight
TIME_STAMP_TOLERANCE_S = 0.04  # time stamps of sound are rounded; samples that follow each other are not torn apart
MAX_GAP_S = 600  # a longer silence is a broken time stamp
SILENCE_BLOCK_S = 1


class UnreadableSoundError(ValueError):
    """The sound of a file cannot be had.

    Args:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"Expected a file with a readable audio stream, received {str(path)!r} ({reason}); pass audio_from=None "
            f"for a silent video, or convert the sound first."
        )
        self.reason = reason


class SoundReader:
    """Decodes the sound track that players take.

    Args:
        path: file with sound.
        begin: moment that becomes 0, seconds in the file's own time; None is the first image that can be decoded.

    Attributes:
        rate: samples per second.
        layout: FFmpeg's name of the channel layout.
        damaged_packets: could not be decoded so far.

    Raises:
        UnreadableSoundError: if the file has no sound track that FFmpeg can decode.
    """

    def __init__(self, path: Path, begin: Fraction | None = None) -> None:
        try:
            self._begin = image_begin(path) if begin is None else begin
            self._container = opened(path)
        except av.FFmpegError as error:
            raise UnreadableSoundError(path, str(error)) from error
        self._track = sound_track(self._container)
        if self._track is None:
            self._container.close()
            raise UnreadableSoundError(path, "no audio stream")
        self.layout, self._order = use_native_layout(self._track.codec_context)
        self.rate = self._track.codec_context.sample_rate
        self.damaged_packets = 0
        if not self.rate or not self.layout:
            self.close()
            raise UnreadableSoundError(path, "neither rate nor channels are known")

    def blocks(self, rate: int | None = None, layout: str | None = None) -> Iterator[np.ndarray]:
        """Yield (channels, samples) float32; each block begins where the one before ended.

        Args:
            rate: samples per second to convert to; None keeps the track's.
            layout: FFmpeg's name of a channel layout to convert to; None keeps the track's.
        """
        rate, layout = rate or self.rate, layout or self.layout
        position = 0
        for frame in self._resampled(rate, layout):
            samples = frame.to_ndarray().reshape(frame.samples, -1).T
            begin = position if frame.pts is None else round((frame.pts * frame.time_base - self._begin) * rate)
            gap = begin - position
            is_rounding = position > 0 and abs(gap) <= TIME_STAMP_TOLERANCE_S * rate
            if is_rounding or abs(gap) > MAX_GAP_S * rate:
                gap = 0
            for filled in range(0, gap, SILENCE_BLOCK_S * rate):
                yield np.zeros((len(samples), min(SILENCE_BLOCK_S * rate, gap - filled)), np.float32)
            samples = samples[:, max(-gap, 0) :]
            position += max(gap, 0) + samples.shape[1]
            if samples.shape[1]:
                yield samples

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _resampled(self, rate: int, layout: str) -> Iterator[AudioFrame]:
        """Decoded sound as packed floats of one rate and layout."""
        frames = self._decoded()
        if self._order is not None:
            frames = (self._reordered(frame) for frame in _converted(frames, self.layout, self.rate))
        return _converted(frames, layout, rate)

    def _decoded(self) -> Iterator[AudioFrame]:
        for packet in _packets(self._container, self._track):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.FFmpegError:
                self.damaged_packets += 1
                continue
            for frame in frames:
                if frame.samples and frame.sample_rate:
                    yield frame

    def _reordered(self, frame: AudioFrame) -> AudioFrame:
        samples = frame.to_ndarray().reshape(frame.samples, -1)[:, list(self._order)]
        copy = AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), SAMPLE_FORMAT, self.layout)
        copy.sample_rate, copy.pts, copy.time_base = frame.sample_rate, frame.pts, frame.time_base
        return copy


def use_native_layout(context: AudioCodecContext) -> tuple[str, tuple[int, ...] | None]:
    """Give a decoder that is not open yet one of FFmpeg's own channel layouts.

    Returns:
        the layout's name, empty where the file does not say; and for each of its channels the index of the channel in
        the track, None where they are the same.
    """
    stored = context.layout  # shares its memory with the context, until the context gets another layout
    if not stored.nb_channels:
        return "", None
    layout, order = native_layout(stored.name, stored.nb_channels)
    context.layout = layout
    return layout, order


def native_layout(name: str, channels: int) -> tuple[str, tuple[int, ...] | None]:
    """FFmpeg's own layout for a described one, and the order of its channels; see `use_native_layout`."""
    described = re.fullmatch(r"\d+ channels(?: \((.*)\))?", name)
    if described is None:
        return name, None
    stored = (described[1] or "").split("+")
    if len(set(stored)) == channels and set(stored) <= set(NATIVE_ORDER):
        native = sorted(stored, key=NATIVE_ORDER.index)
        return av.AudioLayout("+".join(native)).name, tuple(stored.index(channel) for channel in native)
    return DEFAULT_LAYOUTS.get(channels, f"{channels} channels"), None


def image_begin(path: Path) -> Fraction:
    """Time of the first image of a file that can be decoded, seconds in the file's own time."""
    with opened(path) as container:
        return first_image_seconds(container)


def _packets(container: av.container.InputContainer, track: AudioStream) -> Iterator[av.Packet]:
    """Packets of a track, up to where the file can be read."""
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        yield packet


def _converted(frames: Iterator[AudioFrame], layout: str, rate: int) -> Iterator[AudioFrame]:
    """Frames as packed floats of one layout and rate; a track may change its own on the way."""
    resampler, kind = None, None
    for frame in frames:
        if (frame.format.name, frame.layout.name, frame.sample_rate) != kind:
            yield from _resample(resampler, None)
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = av.AudioResampler(SAMPLE_FORMAT, layout, rate)
        yield from _resample(resampler, frame)
    yield from _resample(resampler, None)


def _resample(resampler: av.AudioResampler | None, frame: AudioFrame | None) -> list[AudioFrame]:
    """Convert a frame, None for the rest; one that cannot be converted is left out."""
    if resampler is None:
        return []
    try:
        return [part for part in resampler.resample(frame) if part is not None and part.samples]
    except (av.FFmpegError, ValueError):
        return []
