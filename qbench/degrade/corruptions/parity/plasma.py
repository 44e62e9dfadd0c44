"""The clouds of fog, drawn as the reference does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes


def plasma(size: int, decay: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    """A fractal height map [size, size] in [0, 1], periodic, by diamond and square steps (Fournier et al., 1982)."""
    heights = np.zeros((size, size))
    wibble = 100.0
    for step, half in shapes.diamond_square(size):

        def jittered(total: NDArray[Any], wibble: float = wibble) -> NDArray[Any]:
            return np.asarray(total / 4 + wibble * rng.uniform(-wibble, wibble, total.shape))

        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = jittered(pairs + np.roll(pairs, -1, 1))
        centres = heights[half::step, half::step]
        above = (centres + np.roll(centres, 1, 0)) + (corners + np.roll(corners, -1, 1))
        heights[::step, half::step] = jittered(above)
        beside = (centres + np.roll(centres, 1, 1)) + (corners + np.roll(corners, -1, 0))
        heights[half::step, ::step] = jittered(beside)
        wibble /= decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())
