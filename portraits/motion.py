"""What the head does: independent stills, or a smooth talking track at 25 frames a second.

Angles here are the head's own (yaw, pitch, roll) and the eyes' (yaw, pitch) in the same sense, radians.
"""

from dataclasses import dataclass

import numpy as np

from .camera import Jitter

JITTER_SHIFT, JITTER_SCALE = 0.02, 0.04
POSE_LIMIT_DEG = np.array([45.0, 25, 15])
STILL_POSE_SIGMA_DEG = np.array([20.0, 9, 6])
PAIRED_ACTIONS = (
    "browDown", "browOuterUp", "cheekSquint", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown",
    "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
SINGLE_ACTIONS = (
    "browInnerUp", "cheekPuff", "jawForward", "mouthShrugLower", "mouthShrugUpper", "mouthLeft", "mouthRight",
    "jawLeft", "jawRight",
)  # fmt: skip
# Tracks of feeling: actions moved together, mean of the track.
FEELINGS = (
    (("mouthSmile", "cheekSquint"), 0.1), (("mouthFrown",), -0.2), (("browDown",), -0.2),
    (("browOuterUp",), 0.05), (("eyeWide",), 0), (("eyeSquint",), 0),
)  # fmt: skip
EYE_OPENING = ("eyeWideLeft", "eyeWideRight", "eyeSquintLeft", "eyeSquintRight")
# Opening of the lids around the middle of a blink, frame by frame.
BLINK = (0.3, 0.8, 1.0, 0.9, 0.5, 0.2)


@dataclass(frozen=True)
class FrameMotion:
    """One frame: head pose (3,) and eye turn (2,) in radians, expression (52,) in [0,1], jitter of the frame."""

    head_pose: np.ndarray
    eye_turn: np.ndarray
    expression: np.ndarray
    jitter: Jitter


class ActionVector:
    """Writes facial actions by name into a (52,) or (F,52) array."""

    def __init__(self, names: list[str], values: np.ndarray) -> None:
        self.names, self.values = names, values

    def set(self, name: str, value) -> None:
        """Set one action."""
        self.values[..., self.names.index(name)] = value

    def both(self, name: str, value, asymmetry: float = 1.0) -> None:
        """Set the left action to `value` and the right one to `value * asymmetry`."""
        self.set(name + "Left", value)
        self.set(name + "Right", value * asymmetry)

    def scale(self, names, factor) -> None:
        """Multiply actions."""
        for name in names:
            self.values[..., self.names.index(name)] *= factor


def follow_gaze(names: list[str], expression: np.ndarray, eye_turn: np.ndarray) -> None:
    """Set the eyeLook* lid shapes of expressions (...,52) from the eyes' yaw and pitch (...,2)."""
    actions, yaw, pitch = ActionVector(names, expression), eye_turn[..., 0], eye_turn[..., 1]
    for side, outward in (("Left", yaw), ("Right", -yaw)):
        actions.set("eyeLookUp" + side, np.clip(-pitch / 0.5, 0, 1))
        actions.set("eyeLookDown" + side, np.clip(pitch / 0.5, 0, 1))
        actions.set("eyeLookOut" + side, np.clip(outward / 0.6, 0, 1))
        actions.set("eyeLookIn" + side, np.clip(-outward / 0.6, 0, 1))


def _smile(actions: ActionVector, rng, a: float, skew: float, jaw: float = 0.12) -> None:
    actions.both("mouthSmile", 0.9 * a, skew)
    actions.both("cheekSquint", 0.6 * a * rng.random())
    actions.both("mouthUpperUp", 0.35 * a * rng.random())
    actions.both("mouthDimple", 0.4 * rng.random())
    actions.set("jawOpen", jaw * a * rng.random() ** 0.5)


def _laugh(actions: ActionVector, rng, a: float, skew: float) -> None:
    _smile(actions, rng, a, skew, jaw=0.5)


def _speak(actions: ActionVector, rng, a: float, skew: float) -> None:
    actions.set("jawOpen", 0.6 * rng.beta(1.3, 2))
    actions.set("mouthFunnel", 0.6 * rng.random() * (rng.random() < 0.3))
    actions.both("mouthLowerDown", 0.5 * rng.random() * (rng.random() < 0.5))
    actions.both("mouthUpperUp", 0.35 * rng.random() * (rng.random() < 0.4))
    actions.both("mouthSmile", 0.4 * rng.random() * (rng.random() < 0.5), skew)
    actions.both("mouthStretch", 0.4 * rng.random() * (rng.random() < 0.25))


def _wonder(actions: ActionVector, rng, a: float, skew: float) -> None:
    actions.set("browInnerUp", 0.8 * a)
    actions.both("browOuterUp", 0.8 * a, skew)
    actions.both("eyeWide", 0.8 * a)
    actions.set("jawOpen", 0.7 * a * rng.random())


def _grieve(actions: ActionVector, rng, a: float, skew: float) -> None:
    actions.set("browInnerUp", 0.8 * a)
    actions.both("mouthFrown", 0.6 * a, skew)
    actions.set("mouthShrugLower", 0.4 * rng.random())


def _frown(actions: ActionVector, rng, a: float, skew: float) -> None:
    actions.both("browDown", 0.7 * a, skew)
    actions.both("eyeSquint", 0.6 * rng.random())
    actions.both("mouthPress", 0.6 * rng.random())


def _pucker(actions: ActionVector, rng, a: float, skew: float) -> None:
    actions.set(rng.choice(["mouthPucker", "mouthFunnel", "cheekPuff", "mouthRollLower", "mouthRollUpper"]), 0.8 * a)
    actions.set("jawOpen", 0.2 * rng.random())


def _free_expression(actions: ActionVector, rng) -> None:
    for name in PAIRED_ACTIONS:
        if rng.random() < 0.2:
            actions.both(name, rng.beta(1, 2), float(np.clip(rng.normal(1, 0.12), 0.5, 1.25)))
    for name in SINGLE_ACTIONS:
        if rng.random() < 0.12:
            actions.set(name, 0.7 * rng.beta(1, 2.5))
    actions.set("jawOpen", 0.6 * rng.beta(1, 2))


# Mood -> (chance, actor); actors get the strength and the right side's share.
MOODS = {
    "neutral": (0.12, None), "smile": (0.24, _smile), "talk": (0.26, _speak), "laugh": (0.09, _laugh),
    "surprise": (0.08, _wonder), "sad": (0.04, _grieve), "stern": (0.04, _frown), "pucker": (0.06, _pucker),
    "free": (0.07, None),
}  # fmt: skip


def _still_expression(names: list[str], rng) -> np.ndarray:
    actions = ActionVector(names, np.zeros(len(names), np.float32))
    mood = rng.choice(list(MOODS), p=[chance for chance, _ in MOODS.values()])
    if mood == "free":
        _free_expression(actions, rng)
    else:
        strength, skew = rng.beta(2, 1.8), float(np.clip(rng.normal(1, 0.1), 0.6, 1.25))
        actor = MOODS[mood][1]
        if actor is not None:
            actor(actions, rng, strength, skew)
    if rng.random() < 0.35:
        actions.set("browInnerUp", 0.6 * rng.random())
        actions.both("browOuterUp", 0.6 * rng.random())
    if rng.random() < 0.14:  # blinks and half-closed lids
        actions.scale(EYE_OPENING, 0)
        actions.both("eyeBlink", rng.choice([1.0, 1.0, 0.7, 0.4]))
    return np.clip(actions.values, 0, 1)


def _jitter(shift_x: float, shift_y: float, log_scale: float) -> Jitter:
    return Jitter(JITTER_SHIFT * float(shift_x), JITTER_SHIFT * float(shift_y), JITTER_SCALE * float(log_scale))


def still_motions(names: list[str], rng: np.random.Generator, count: int) -> list[FrameMotion]:
    """Independent frames; the identity's mean framing carries most of the jitter."""
    base = 0.8 * np.clip(rng.normal(size=3), -2.5, 2.5)
    motions = []
    for _ in range(count):
        pose = np.clip(rng.normal(0, STILL_POSE_SIGMA_DEG), -POSE_LIMIT_DEG, POSE_LIMIT_DEG)
        eye_turn = np.radians(rng.uniform((-25, -14), (25, 14)))
        expression = _still_expression(names, rng)
        follow_gaze(names, expression, eye_turn)
        framing = base + 0.6 * np.clip(rng.normal(size=3), -2.5, 2.5)
        motions.append(FrameMotion(np.radians(pose), eye_turn, expression, _jitter(*framing)))
    return motions


def smooth_noise(rng: np.random.Generator, frames: int, tracks: int, width: float) -> np.ndarray:
    """Unit-variance Gaussian noise (frames, tracks) low-passed by a Gaussian of `width` frames."""
    reach = int(4 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    white = rng.normal(size=(frames + 2 * reach, tracks))
    return np.stack([np.convolve(white[:, k], kernel, "valid") for k in range(tracks)], 1)


def _saccades(rng, frames: int) -> np.ndarray:
    """Eye turn (frames,2) in radians: fixations joined by fast jumps."""
    gaze, start = np.zeros((frames, 2)), 0
    while start < frames:
        length = int(rng.integers(8, 40))
        gaze[start : start + length] = np.clip(rng.normal(0, (10, 6)), (-26, -15), (26, 15))
        start += length
    padded = np.pad(gaze, ((2, 2), (0, 0)), mode="edge")
    return np.radians(np.stack([np.convolve(padded[:, k], np.ones(5) / 5, "valid") for k in range(2)], 1))


def _blinks(rng, frames: int) -> np.ndarray:
    lids, start = np.zeros(frames), int(rng.integers(5, 60))
    while start < frames:
        for frame, closed in enumerate(BLINK, start - 2):
            if 0 <= frame < frames:
                lids[frame] = closed
        start += int(rng.exponential(70)) + 15
    return lids


def _talk(actions: ActionVector, rng, frames: int) -> None:
    voice = np.clip(0.28 + 0.35 * smooth_noise(rng, frames, 1, 2.2)[:, 0], 0, 1)
    voice = voice * np.clip(0.8 + smooth_noise(rng, frames, 1, 25)[:, 0], 0, 1)
    shapes = smooth_noise(rng, frames, 4, 3)
    actions.set("jawOpen", 0.6 * voice)
    actions.set("mouthFunnel", 0.5 * np.clip(0.5 * shapes[:, 0], 0, 1) * np.clip(0.4 + voice, 0, 1))
    actions.set("mouthPucker", 0.5 * np.clip(0.5 * shapes[:, 1], 0, 1) * np.clip(0.4 + voice, 0, 1))
    actions.both("mouthLowerDown", 0.5 * np.clip(0.6 * shapes[:, 2], 0, 1))
    actions.both("mouthUpperUp", 0.35 * np.clip(0.5 * shapes[:, 3], 0, 1))


def _feel(actions: ActionVector, rng, frames: int) -> None:
    drift = 0.45 * smooth_noise(rng, frames, len(FEELINGS), 22)
    moods = np.clip(drift + rng.normal([mean for _, mean in FEELINGS], 0.2) - 0.1, 0, 1)
    for column, (names, _) in enumerate(FEELINGS):
        skew = float(np.clip(rng.normal(1, 0.1), 0.7, 1.2))
        for name in names:
            actions.both(name, moods[:, column], skew)
    actions.set("browInnerUp", np.clip(0.4 * smooth_noise(rng, frames, 1, 14)[:, 0], 0, 1))


def sequence_motions(names: list[str], rng: np.random.Generator, count: int) -> list[FrameMotion]:
    """A smooth track: head pose, talking, mood, blinks, saccades and a slow drift of the frame."""
    pose = smooth_noise(rng, count, 3, 14) * (17, 7, 4.5) + rng.normal(0, (10, 4, 2.5))
    pose = np.radians(POSE_LIMIT_DEG * np.tanh(pose / POSE_LIMIT_DEG))
    eye_turn = _saccades(rng, count)
    actions = ActionVector(names, np.zeros((count, len(names)), np.float32))
    _talk(actions, rng, count)
    _feel(actions, rng, count)
    lids = _blinks(rng, count)
    actions.both("eyeBlink", lids)
    actions.scale(EYE_OPENING, 1 - lids)
    expression = np.clip(actions.values, 0, 1)
    follow_gaze(names, expression, eye_turn)
    framing = 0.8 * np.clip(rng.normal(size=3), -2.5, 2.5) + 0.6 * smooth_noise(rng, count, 3, 40)
    return [FrameMotion(pose[k], eye_turn[k], expression[k], _jitter(*framing[k])) for k in range(count)]


MOTIONS = {"stills": still_motions, "sequence": sequence_motions}
