"""Read and write videos frame by frame."""

from .reading import FrameSource, is_clip, open_frames
from .writing import VideoWriter

__all__ = ["FrameSource", "VideoWriter", "is_clip", "open_frames"]
