"""Motion without a driver: keyframes, presets, idle life and talking, as values of channels over time, and as poses."""

from .curves import draw_curves
from .files import PRESETS, load_script, parse_script, save_script
from .keyframes import Keyframe
from .poses import script_poses
from .script import MotionScript, Timeline

__all__ = [
    "PRESETS",
    "Keyframe",
    "MotionScript",
    "Timeline",
    "draw_curves",
    "load_script",
    "parse_script",
    "save_script",
    "script_poses",
]
