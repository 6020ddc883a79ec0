"""Video files opened by PyAV: which image stream and which sound track players take, and when the first image shows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

# Files that hold images and sound themselves. Playlists and the like (HLS, concat, DASH, SDP) would make FFmpeg read
# what they name: other files of this machine, or addresses of the net.
SELF_CONTAINED = (
    "3gp,aac,ac3,aiff,amr,apng,asf,au,avi,caf,dts,dv,eac3,flac,flv,gif,h263,h264,hevc,ivf,live_flv,m4v,matroska,mjpeg,mov,"
    "mp3,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,tta,vc1,w64,wav,webm,wtv,wv,yuv4mpegpipe"
)


def opened(path: Path) -> InputContainer:
    """The container of a file.

    Raises:
        av.FFmpegError: if it is none.
    """
    # An absolute path cannot be mistaken for a protocol ("a:b.mp4"); broken metadata is no reason to refuse a video.
    # The number of streams is bounded: a file of a few kilobytes can state thousands.
    options = {"format_whitelist": SELF_CONTAINED, "max_streams": "64"}
    return av.open(str(path.absolute()), metadata_errors="replace", container_options=options)


def image_stream(container: InputContainer) -> VideoStream | None:
    """The stream of moving images: the default one, else the first. The cover of a song or film is none."""
    streams = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    ]
    return _default_or_first(streams)


def sound_track(container: InputContainer) -> AudioStream | None:
    """The default sound track, else the first; of those FFmpeg knows, which the spatial sound of some phones is not."""
    return _default_or_first([track for track in container.streams.audio if track.codec_context is not None])


def _default_or_first(streams: list) -> VideoStream | AudioStream | None:
    default = [stream for stream in streams if stream.disposition & Disposition.default]
    return next(iter(default + streams), None)


def has_decoding_times_only(container: InputContainer) -> bool:
    """AVI stores no display times: FFmpeg guesses them, in a wrong order where frames are reordered."""
    return container.format.name == "avi"


def frame_ticks(frame: av.VideoFrame, decoding_times_only: bool) -> int | None:
    """When a decoded frame shows, in its time base; None where the file does not say."""
    return frame.dts if decoding_times_only else frame.pts


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame | av.FFmpegError]:
    """Decoded frames of a stream, and in their midst the errors of packets that are damaged.

    Raises:
        av.FFmpegError: if the file cannot be read on.
    """
    if not has_decoding_times_only(container):
        stream.thread_type = "AUTO"  # frames that are decoded side by side lose their decoding times
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.FFmpegError as error:
            yield error
            continue
        yield from frames


def first_image_seconds(container: InputContainer) -> Fraction:
    """Time of the first image that can be decoded, seconds in the file's own time; 0 without images.

    Recordings that were cut out of a transmission begin with frames that lack what they refer to.
    """
    stream = image_stream(container)
    if stream is None:
        return Fraction(0)
    for frame in decoded(container, stream):
        if isinstance(frame, av.VideoFrame):
            ticks = frame_ticks(frame, has_decoding_times_only(container))
            return Fraction(ticks or 0) * frame.time_base
    return Fraction(0)
