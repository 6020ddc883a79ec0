"""The one error of this room that callers catch by name."""


class NoFaceFoundError(ValueError):
    """No usable face in an image, in a frame, or in a whole clip."""
