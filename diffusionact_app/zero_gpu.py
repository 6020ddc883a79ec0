"""Hugging Face ZeroGPU lends a GPU for the length of one call. Elsewhere the decorator does nothing."""

from __future__ import annotations

import os
from collections.abc import Callable

from .messages import errors_as_messages

IS_ZERO_GPU = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true", "t")
if IS_ZERO_GPU:
    import spaces  # must come before anything asks torch for a GPU

# Start of the worker and safety; nobody has to pay for what is not used, but a call that runs over is cut off.
OVERHEAD_S = 15.0
# A step of the official 256 px model for one frame, and reading one frame, on ZeroGPU's cards. Deliberately generous.
STEP_S = 0.03
FRAME_S = 0.06
MAX_S = 240


def duration(frames: int, steps: int, encode_steps: int) -> int:
    """Seconds of GPU to ask for: encoding, then frames x steps."""
    seconds = OVERHEAD_S + STEP_S * (encode_steps + frames * steps) + FRAME_S * frames
    return min(MAX_S, round(seconds))


def on_gpu(seconds: Callable[..., int]) -> Callable[[Callable], Callable]:
    """Decorate a handler that needs the GPU; `seconds` takes the handler's arguments."""

    def decorate(handler: Callable) -> Callable:
        if not IS_ZERO_GPU:
            return handler
        # From the process with the GPU only messages arrive; of other errors, no more than the name of their class.
        return spaces.GPU(duration=seconds)(errors_as_messages(handler))

    return decorate
