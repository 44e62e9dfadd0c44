"""Random numbers in bulk: 16 random bits a value, looked up in tables of quantiles."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

LEVELS = 1 << 16
_POISSON_BITS = 13


def words(rng: np.random.Generator, *shape: int) -> NDArray[np.uint16]:
    """Independent uniform values 0..65535."""
    count = math.prod(shape)
    return rng.integers(0, 1 << 64, (count + 3) // 4, dtype=np.uint64).view(np.uint16)[:count].reshape(shape)


@cache
def normal_quantiles() -> NDArray[np.float64]:
    """The standard normal distribution at the middles of 65536 equal shares, scaled to a variance of 1."""
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(LEVELS) + 0.5) / LEVELS)
    return np.asarray(quantiles / quantiles.std())


@cache
def normal_table(mean: float, spread: float) -> NDArray[np.float32]:
    return (mean + spread * normal_quantiles()).astype(np.float32)


@cache
def normal_steps(spread: float) -> NDArray[np.int16]:
    """The table rounded down to whole grey levels; a level plus a value, cut to whole numbers, is the same."""
    return np.clip(np.floor(spread * normal_quantiles()), -255, 255).astype(np.int16)


def normal(rng: np.random.Generator, mean: float, spread: float, *shape: int) -> NDArray[np.float32]:
    return normal_table(mean, spread)[words(rng, *shape)]


@cache
def poisson_table(photons: float) -> NDArray[np.uint8]:
    """[256 * 8192]: for each grey level, the levels that its photon counts show, each as often as it is likely."""
    from scipy.special import pdtr

    shares = 1 << _POISSON_BITS
    counts = np.arange(int(photons) + 1)
    shown = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8)
    below = np.round(pdtr(counts, np.arange(256)[:, None] / 255 * photons) * shares).astype(np.int64)
    below[:, -1] = shares
    times = np.diff(below, axis=1, prepend=0)
    return np.concatenate([np.repeat(shown, row) for row in times])


def poisson_levels(rng: np.random.Generator, levels: NDArray[np.uint8], photons: float) -> NDArray[np.uint8]:
    """What is seen of grey levels in photon counts of which white has `photons` on average."""
    places = levels.astype(np.int64)
    places <<= _POISSON_BITS
    places += words(rng, *levels.shape) >> (16 - _POISSON_BITS)
    return poisson_table(photons)[places]
