"""What the open face reader sees in portraits whose truth is known: the material that calibrates the face model.

`python -m tools.measure_face_model --output FILE` renders people, reads their faces and writes an npz with one row a
frame; `python -m tools.open_face_model` reads it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.readers.open.tracking import OpenFaceTracker
from portraits.frames import render_frame, sample_portrait
from portraits.head import Head
from portraits.motion import MOTIONS

# Identities numbered from here are in no training set.
SEED = 20_260_000


def frame_as_read(reader: OpenFaceTracker, head: Head, portrait, motion, size: int) -> dict[str, np.ndarray] | None:
    """Truth and observation of one rendered frame, None where the reader finds no face."""
    frame = render_frame(portrait, motion, size)
    try:
        seen = reader.observe(torch.from_numpy(frame.image)[None])
    except NoFaceFoundError:
        return None
    return {
        "neutral": head.landmarks(portrait.identity.shape[: head.mesh_size]),
        "actions": frame.expression,
        "true_landmarks": frame.landmarks,
        "true_pupils": frame.pupils,
        "true_head_pose": frame.head_pose,
        "true_gaze": frame.gaze,
        "landmarks": seen.landmarks[0].numpy(),
        "pupils": seen.pupils[0].numpy(),
        "head_pose": seen.head_pose[0].numpy(),
        "gaze": seen.gaze[0].numpy(),
        "expression": seen.expression[0].numpy(),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=300)
    parser.add_argument("--frames", type=int, default=4, help="of each identity")
    parser.add_argument("--size", type=int, default=256, help="side of the portraits, pixels")
    parser.add_argument("--output", type=Path, required=True, help="npz file")
    options = parser.parse_args()
    head, reader = Head(), OpenFaceTracker("largest", "error").eval()
    rows = []
    with torch.no_grad():
        for identity in tqdm(range(options.identities), unit="identity"):
            rng = np.random.default_rng((SEED, identity))
            portrait = sample_portrait(head, rng)
            for motion in MOTIONS["stills"](head.action_names, rng, options.frames):
                rows.append(frame_as_read(reader, head, portrait, motion, options.size))
    found = [row for row in rows if row is not None]
    print(f"{len(found)} of {len(rows)} frames with a face")
    columns = {name: np.stack([row[name] for row in found]) for name in found[0]}
    np.savez_compressed(options.output, action_names=np.array(head.action_names), size=options.size, **columns)


if __name__ == "__main__":
    main()
