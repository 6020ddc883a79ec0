"""Sound of a driving file, carried into a written video: packets are copied, or re-encoded to AAC where they must be.

Time runs in seconds from the first image of the driving video; what sounds earlier is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

# Codecs that players expect in these containers; anything else is re-encoded. Matroska takes what FFmpeg can put there.
COPIED_CODECS = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
}


def readable_track(container: InputContainer) -> AudioStream | None:
    """The first audio stream that FFmpeg knows; the spatial sound of some telephones it does not."""
    return next((track for track in container.streams.audio if track.codec_context is not None), None)


class AudioTrack:
    """Moves the first readable audio stream of `path` into `output` in step with the images.

    Packets are never cut: the sound ends less than one packet (about 20 ms) after the last image.

    Args:
        path: file with an audio stream.
        output: container that is being written, before its first packet.
        suffix: suffix of the written file, which decides between copying and re-encoding.

    Raises:
        FileNotFoundError: if there is no file at `path`.
        ValueError: if the file has no readable audio stream.
    """

    def __init__(self, path: str | os.PathLike[str], output: OutputContainer, suffix: str) -> None:
        self.path = Path(path)
        self._output = output
        self._input = self._open()
        self._source = readable_track(self._input)
        video = self._input.streams.video
        self._start = video[0].start_time * video[0].time_base if video and video[0].start_time else Fraction(0)
        self._hides_priming = suffix in COPIED_CODECS
        codec = self._source.codec_context.name
        self.copied = codec in COPIED_CODECS.get(suffix, output.supported_codecs)
        if self.copied:
            self._stream = output.add_stream_from_template(self._source)
        else:
            self._stream = output.add_stream("aac", rate=self._source.codec_context.sample_rate)
            self._stream.layout = self._source.codec_context.layout
        self._items = self._packets() if self.copied else self._frames()
        self._pending = next(self._items, None)

    def write_until(self, end: Fraction) -> None:
        """Write every packet that begins before `end` seconds."""
        while self._pending is not None and self._pending[0] < end:
            self._write(self._pending[1])
            self._pending = next(self._items, None)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self.copied:
            self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        """Release the input file."""
        self._items.close()
        self._input.close()

    def _write(self, item: Packet | AudioFrame) -> None:
        if self.copied:
            item.stream = self._stream
            self._output.mux(item)
        else:
            self._output.mux(self._stream.encode(item))

    def _packets(self) -> Iterator[tuple[Fraction, Packet]]:
        """Packets with their start in seconds; time stamps are shifted to the first image.

        A packet that ends at 0 primes the decoder: MP4 hides it with an edit list, Matroska would delay the images.
        """
        try:
            for packet in self._input.demux(self._source):
                if packet.pts is None or packet.dts is None:  # the demuxer's flush packet
                    continue
                shift = round(self._start / packet.time_base)
                packet.pts -= shift
                packet.dts -= shift
                if packet.pts + (packet.duration or 0 if self._hides_priming else 0) >= 0:
                    yield packet.pts * packet.time_base, packet
        except av.FFmpegError as error:
            raise self._unreadable(str(error)) from error

    def _frames(self) -> Iterator[tuple[Fraction, AudioFrame]]:
        """Decoded sound with its start in seconds; time stamps are shifted to the first image."""
        try:
            for frame in self._input.decode(self._source):
                if frame.pts is None:
                    continue
                frame.pts -= round(self._start / frame.time_base)
                if frame.pts >= 0:
                    yield frame.pts * frame.time_base, frame
        except av.FFmpegError as error:
            raise self._unreadable(str(error)) from error

    def _open(self) -> InputContainer:
        if not self.path.is_file():
            raise FileNotFoundError(
                f"Expected a file with sound, received {str(self.path)!r} where no file lies; check the path."
            )
        try:
            container = av.open(str(self.path.absolute()), metadata_errors="replace")
        except av.FFmpegError as error:
            raise self._unreadable(str(error)) from error
        if readable_track(container) is None:
            container.close()
            raise self._unreadable("no audio stream")
        return container

    def _unreadable(self, reason: str) -> ValueError:
        return ValueError(
            f"Expected a file with a readable audio stream, received {str(self.path)!r} ({reason}); pass "
            f"audio_from=None for a silent video, or convert the sound first."
        )
