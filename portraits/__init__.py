"""Synthetic talking heads with exact ground truth, rendered on the CPU from the CC0 MakeHuman head.

`python -m portraits --identities 4000 --frames 6 --size 128 --output data/train128` writes shards for training and
evaluation (docs/data.md); `--sheet`, `--image` and `--video` write files to look at. Needs numba and the
library, nothing of `train`. Origin of the head: `assets/SOURCE.md`.

Lengths are decimetres, x right (subject's left), y up, z toward the camera; colours are linear RGB until the last step.
`render.py` draws one frame in passes over a `Canvas`; `identity.py`, `scene.py` and `motion.py` draw what is random.
"""
