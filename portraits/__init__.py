"""Synthetic talking heads with exact ground truth, rendered from the CC0 MakeHuman head.

Lengths are decimetres, x right (subject's left), y up, z toward the camera; colours are linear RGB until the last step.
`python -m portraits --help` writes WebDataset shards.
"""
