"""Between 8-bit sRGB and linear light (IEC 61966-2-1), by tables."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from qbench.vocabulary import Image

Light = NDArray[np.float32]
"""Linear light in [0, 1], float32, [H, W, 3] or [H, W]."""
_STEPS = 65535


def to_linear(image: Image) -> Light:
    """Linear light of uint8 sRGB values, the same shape, 1.0 at 255."""
    light: Light = np.take(_decoding(), image)
    return light


def to_srgb(light: Light, gamma: float | None = None) -> Image:
    """uint8 values of linear light, clipped to [0, 1] and rounded; by the sRGB curve, or as light^(1/gamma).

    The light is first rounded to 16 bits, which moves a value by 0.03 grey levels at most (sRGB, near black)."""
    index = np.clip(light * np.float32(_STEPS) + np.float32(0.5), 0, _STEPS).astype(np.uint16)
    values: Image = np.take(_encoding(gamma), index)
    return values


def decoded(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light of sRGB values in [0, 1]."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@cache
def _decoding() -> Light:
    return decoded(np.arange(256) / 255).astype(np.float32)


@cache
def _encoding(gamma: float | None) -> NDArray[np.uint8]:
    light = np.arange(_STEPS + 1) / _STEPS
    if gamma is None:
        value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    else:
        value = light ** (1 / gamma)
    table: Image = np.rint(255 * value).astype(np.uint8)
    return table
