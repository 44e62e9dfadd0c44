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
        jitter = drawn[used : used + 3 * count * count].reshape(3, count, count)
        jitter *= np.float32(wibble * wibble)
        beside = _with_next(heights.T).T
        centres = _quarter(_with_next(beside), jitter[0])
        finer = np.empty((2 * count, 2 * count), np.float32)
        finer[::2, ::2], finer[1::2, 1::2] = heights, centres
        finer[::2, 1::2] = _quarter(_with_next(centres, back=True) + beside, jitter[1])
        finer[1::2, ::2] = _quarter(_with_next(centres.T, back=True).T + _with_next(heights), jitter[2])
        heights, used, wibble = finer, used + 3 * count * count, wibble / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def _with_next(plane: NDArray[np.float32], back: bool = False) -> NDArray[np.float32]:
    """Each row and the next, or the one before, added; the first follows the last."""
    sums = np.empty_like(plane)
    upper, last = (sums[1:], sums[0]) if back else (sums[:-1], sums[-1])
    np.add(plane[:-1], plane[1:], out=upper)
    np.add(plane[-1], plane[0], out=last)
    return sums


def _quarter(total: NDArray[np.float32], jitter: NDArray[np.float32]) -> NDArray[np.float32]:
    total *= np.float32(0.25)
    total += jitter
    return total
