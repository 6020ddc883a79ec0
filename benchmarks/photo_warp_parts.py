"""Operations and processor time of each part of a frame of the photo warp, for `photo_warp.py --parts`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from unittest.mock import patch

from torch.utils._python_dispatch import TorchDispatchMode

from diffusionact.warping import WarpMotion, WarpRenderer, renderer

# What `WarpRenderer` calls for each part.
PARTS = {
    "vertices": ("moved_vertices", "plane_to_output", "stretch", "_separation", "_smooth_vertices"),
    "what each pixel shows": ("_look", "_smooth_values"),
    "behind the photo's surfaces": ("_uncovered",),
    "colours and contours": ("draw_surfaces",),
    "skin that was barely seen": ("fill_unseen_skin",),
    "creases": ("relax_creases",),
    "eyes": ("paint_eyes",),
    "mouth": ("paint_mouth",),
}
WHOLE = "whole frame"


class CountedOperations(TorchDispatchMode):
    """Counts the operations of torch, views among them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def measure_parts(warp: WarpRenderer, motion: WarpMotion, frames: int) -> dict[str, dict[str, float]]:
    """Operations by part, and milliseconds in the fastest of several frames."""
    operations, seconds = Counter(), []
    warp.render(motion)  # finds what is found once per source
    with CountedOperations() as counted, measured(lambda: counted.count, operations):
        warp.render(motion)
    operations[WHOLE] = counted.count
    for _ in range(frames):
        seconds.append(Counter())
        start = time.thread_time()
        with measured(time.thread_time, seconds[-1]):
            warp.render(motion)
        seconds[-1][WHOLE] = time.thread_time() - start
    fastest = min(seconds, key=lambda frame: frame[WHOLE])
    return {part: {"operations": operations[part], "ms": 1e3 * fastest[part]} for part in (*PARTS, WHOLE)}


@contextmanager
def measured(meter: Callable[[], float], totals: Counter) -> Iterator[None]:
    """While it lasts, what each part adds to a meter is added to the totals."""
    with ExitStack() as stack:
        for part, names in PARTS.items():
            for name in names:
                owner = WarpRenderer if name.startswith("_") else renderer
                stack.enter_context(patch.object(owner, name, _metered(getattr(owner, name), meter, totals, part)))
        yield


def _metered(function: Callable, meter: Callable[[], float], totals: Counter, part: str) -> Callable:
    @wraps(function)
    def call(*args, **kwargs):
        start = meter()
        result = function(*args, **kwargs)
        totals[part] += meter() - start
        return result

    return call
