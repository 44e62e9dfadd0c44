"""Rain: streaks of drops that fall while the shutter is open."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.blur.kernels import gaussian_line, motion_kernel
from qbench.vocabulary import Image

_LAYERS = ((1.0, 0.4, 0.75, 0.75), (0.65, 0.35, 0.5, 0.55), (0.4, 0.25, 0.4, 0.4))
"""Near to far: length and share of the density of a layer, width (sigma in pixels) and brightness of its streaks."""
_VEIL, _VEIL_GREY = 1.2, 0.75
_ACROSS = 2.5
"""Pixels, about: how wide a streak looks."""
_TURN = 3.0
"""Degrees: how far the layers' directions differ from the one asked for (standard deviation)."""


def rain(image: Image, density: float, length: float, angle: float, rng: np.random.Generator) -> Image:
    """Streaks laid over `image`, uint8 [H, W, 3] or [H, W], by a screen blend, 1 - (1 - I)(1 - S), over a slight veil.

    `density` is the share of the picture that streaks cover; `length` in pixels is that of the nearest; `angle` in
    degrees, 90 is upright. Streaks are noise above a threshold, blurred along the drops' way (as Rain100, Yang et al.,
    CVPR 2017, and Rain1200, Zhang and Patel, CVPR 2018, draw them in Photoshop), here in three depths. A denser rain of
    the same draw has all the drops of a lighter one."""
    height, width = image.shape[:2]
    streaks = streak_map(height, width, density, length, angle, rng)
    veil = np.float32(min(_VEIL * density, 0.6))
    seen = image.astype(np.float32) / np.float32(255) * (1 - veil) + np.float32(_VEIL_GREY) * veil
    if image.ndim == 3:
        streaks = streaks[..., None]
    blended: Image = np.rint(255 * (1 - (1 - seen) * (1 - streaks))).astype(np.uint8)
    return blended


def streak_map(
    height: int, width: int, density: float, length: float, angle: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The streaks' brightness [H, W] in [0, 1]."""
    total = np.zeros((height, width), np.float32)
    for scale, share, sigma, brightness in _LAYERS:
        extent = max(length * scale, 1.0)
        turned = angle + _TURN * float(rng.standard_normal())
        streak = _streak(extent, round(turned, 1), sigma)
        side = streak.shape[0]
        field = rng.random((height + side - 1, width + side - 1), np.float32)
        rows, columns = np.nonzero(field < density * share / (extent * _ACROSS))
        # The lower bits of a drop's own draw are as random as itself, and do not change with the density.
        bright = np.float32(brightness) * (0.5 + 0.5 * (field[rows, columns] * np.float32(4096) % 1))
        layer = np.zeros((height + 2 * (side - 1), width + 2 * (side - 1)), np.float32)
        for row, column, light in zip(rows.tolist(), columns.tolist(), bright, strict=True):
            layer[row : row + side, column : column + side] += light * streak
        seen = np.minimum(layer[side - 1 : side - 1 + height, side - 1 : side - 1 + width], 1)
        total = 1 - (1 - total) * (1 - seen)
    return total


@lru_cache(maxsize=256)
def _streak(length: float, angle: float, sigma: float) -> NDArray[np.float32]:
    """A streak of brightness 1 along its middle."""
    import cv2

    line = gaussian_line(sigma)
    path = np.pad(motion_kernel(length, angle), line.size // 2)
    soft = cv2.sepFilter2D(path, -1, line, line, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(soft / soft.max(), np.float32)
