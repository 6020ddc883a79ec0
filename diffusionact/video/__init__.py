"""Read and write videos frame by frame."""

from .reading import FrameSource, open_frames
from .writing import VideoWriter

__all__ = ["FrameSource", "VideoWriter", "open_frames"]
