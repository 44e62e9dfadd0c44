"""The clouds of fog."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.fast import draws


def plasma(size: int, decay: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A periodic fractal height map [size, size] in [0, 1] by diamond and square steps."""
    drawn = draws.words(rng, size * size).astype(np.float32)
    drawn *= np.float32(2 / (draws.LEVELS - 1))
    drawn -= 1
    heights, used, wibble = np.zeros((1, 1), np.float32), 0, 100.0
    while len(heights) < size:
        count = len(heights)
        finer = np.empty((2 * count, 2 * count), np.float32)
        jitter = drawn[used : used + 3 * count * count].reshape(3, count, count) * np.float32(wibble * wibble)
        finer[::2, ::2] = corners = heights
        below = np.roll(corners, -1, 0)
        right = np.roll(corners, -1, 1)
        centres = (corners + below + right + np.roll(below, -1, 1)) * np.float32(0.25) + jitter[0]
        finer[1::2, 1::2] = centres
        finer[::2, 1::2] = (centres + np.roll(centres, 1, 0) + corners + right) * np.float32(0.25) + jitter[1]
        finer[1::2, ::2] = (centres + np.roll(centres, 1, 1) + corners + below) * np.float32(0.25) + jitter[2]
        heights, used, wibble = finer, used + 3 * count * count, wibble / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights
