"""Carries points along with others, smoothly: from one head to another of a different topology."""

from __future__ import annotations

import numpy as np

SMOOTHING = 0.02  # in units of the kernel, cm


def smooth_map(sources: np.ndarray, targets: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (M, 3) carried along with sources (N, 3) -> targets (N, 3): a linear map and kernels |r|, smoothed."""
    count = len(sources)

    def terms(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, None] - sources, axis=-1)

    ones = np.concatenate([np.ones((count, 1)), sources], 1)
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = terms(sources) - SMOOTHING * np.eye(count)  # |r| is conditionally negative
    system[:count, count:], system[count:, :count] = ones, ones.T
    weights = np.linalg.solve(system, np.concatenate([targets, np.zeros((4, 3))]))
    return terms(points) @ weights[:count] + np.concatenate([np.ones((len(points), 1)), points], 1) @ weights[count:]
