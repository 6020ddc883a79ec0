"""Frames with exact ground truth, in the house's conventions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .head import Head, PosedHead
from .identity import sample_identity
from .motion import MOTIONS, FrameMotion
from .render import Portrait
from .scene import sample_scene


@dataclass(frozen=True)
class Frame:
    """One rendered frame.

    image: (S,S,3) uint8 RGB. labels: (S,S) uint8, 0 background, 1 person, 2 face.
    landmarks: (68,2) px and pupils: (2,2) px, the subject's right first; integer k is the centre of pixel k.
    head_pose: yaw, pitch, roll in degrees. gaze: true eye-in-head pitch (+ up), yaw (+ image left) in radians.
    expression: (52,) weights of the facial actions, in the order of `Head.action_names`.
    """

    image: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    pupils: np.ndarray
    head_pose: np.ndarray
    gaze: np.ndarray
    expression: np.ndarray


def render_frame(portrait: Portrait, motion: FrameMotion, size: int) -> Frame:
    """Render one motion of a portrait with its truth."""
    posed = PosedHead(portrait.head, portrait.identity.shape, motion.expression, motion.head_pose, motion.eye_turn)
    camera = Camera(posed, portrait.scene.distance, motion.jitter)
    image, labels = portrait.render(posed, camera, size)
    left, right = posed.eyes
    pupils = camera.pixels(np.stack([right.iris, left.iris]), size)
    yaw, pitch = motion.eye_turn
    return Frame(
        image, labels, camera.pixels(posed.landmarks, size), pupils,
        np.degrees(motion.head_pose), np.array([-pitch, -yaw]), motion.expression,
    )  # fmt: skip


def sample_portrait(head: Head, rng: np.random.Generator) -> Portrait:
    """A random person in a random place."""
    identity = sample_identity(head, rng)
    return Portrait(head, identity, sample_scene(rng))


def identity_frames(head: Head, seed: int, identity: int, count: int, size: int, motion: str) -> Iterator[Frame]:
    """Frames of the identity numbered `identity`; they depend on the arguments only."""
    rng = np.random.default_rng((seed, identity))
    portrait = sample_portrait(head, rng)
    for step in MOTIONS[motion](head.action_names, rng, count):
        yield render_frame(portrait, step, size)
