"""Noise that all scenes share: drawn once from a fixed key, then only cropped."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qbench.draws import keyed

Plane: TypeAlias = NDArray[np.float32]
SIDE = 512
FIELDS = 6


@cache
def fractals() -> Plane:
    """[FIELDS, SIDE, SIDE] periodic Gaussian fields, amplitude spectrum 1/f, mean 0 and standard deviation 1.

    1/f is the amplitude spectrum of natural pictures (Field 1987, J. Opt. Soc. Am. A 4:2379)."""
    rows, columns = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    radius = np.hypot(rows, columns)
    radius[0, 0] = np.inf
    white = keyed(0, "scenes/fractals", 0, "").standard_normal((FIELDS, SIDE, SIDE))
    fields = np.fft.irfft2(np.fft.rfft2(white) / radius, s=(SIDE, SIDE))
    fields /= fields.std(axis=(1, 2), keepdims=True)
    bank: Plane = fields.astype(np.float32)
    bank.flags.writeable = False
    return bank


def fractal(rng: np.random.Generator, height: int, width: int) -> Plane:
    """A random crop of a random field, read only; wider than the bank it repeats."""
    which, top, left, turned = rng.integers((FIELDS, SIDE, SIDE, 2))
    field: Plane = fractals()[which].T if turned else fractals()[which]
    if top + height <= SIDE and left + width <= SIDE:
        crop: Plane = field[top : top + height, left : left + width]
        return crop
    rows = np.arange(top, top + height) % SIDE
    columns = np.arange(left, left + width) % SIDE
    repeated: Plane = field[rows[:, None], columns]
    return repeated
