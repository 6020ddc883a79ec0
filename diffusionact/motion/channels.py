"""What a motion script can move: channels by name, with their limits.

The sliders of `PoseEdit`, where the head lies and how large it is, and every expression value by its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..face.expression_names import EXPRESSION_NAMES, NEUTRAL
from ..face.pose.editing import SLIDER_VALUES

# Degrees; signs as in `PoseEdit`.
HEAD = ("yaw", "pitch", "roll")
GAZE = ("gaze_horizontal", "gaze_vertical")
# Percent of the aligned crop's side, to the image's right and up; and percent of the head's size.
PLACE = ("move_right", "move_up", "zoom")
EXPRESSIONS = EXPRESSION_NAMES[NEUTRAL + 1 :]

# channel -> least and greatest value
CHANNELS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(HEAD, (-90.0, 90.0)),
    **dict.fromkeys(GAZE, (-60.0, 60.0)),
    **dict.fromkeys(PLACE, (-30.0, 30.0)),
    **{name: (-1.0 if below else 0.0, 1.0) for name, (_, below) in SLIDER_VALUES.items()},
    **dict.fromkeys(EXPRESSIONS, (-1.0, 1.0)),
}

Values = dict[str, float]


def check_channels(values: Mapping[str, float], where: str) -> None:
    """Raise ValueError unless every name is a channel, and every value a number within its limits.

    Args:
        values: by channel.
        where: names their owner in the message, such as "keyframe 3".
    """
    for name, value in values.items():
        if name not in CHANNELS:
            sliders = ", ".join([*HEAD, *GAZE, *PLACE, *SLIDER_VALUES])
            raise ValueError(
                f"Expected channels in {where}: {sliders}, or an expression value such as jawOpen; received {name!r}. "
                "Correct the name."
            )
        least, greatest = CHANNELS[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= greatest:
            raise ValueError(f"Expected {name} from {least:g} to {greatest:g} in {where}, received {value!r}.")


def add_up(parts: Iterable[Mapping[str, float]]) -> Values:
    """The sum of values by channel, each kept within its limits."""
    total: Values = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return {name: min(max(value, CHANNELS[name][0]), CHANNELS[name][1]) for name, value in total.items()}
