"""Blurs in float64, and the way back to grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes


def levels(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.clip(values, 0, 1) * 255)


def smoothed(values: NDArray[Any], sigma: float) -> NDArray[Any]:
    """A Gaussian over rows and columns, cut at 4 sigma, the border repeated (scikit-image's default)."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, (sigma, sigma, 0)[: values.ndim], mode="nearest", truncate=4.0))


def moved(values: NDArray[Any], radius: float, sigma: float, angle: float) -> NDArray[np.float32]:
    """The mean of shifted pictures along a line, border repeated."""
    height, width = values.shape[:2]
    taps = shapes.line(radius, sigma, angle, values.shape)
    gap = max(max(abs(down), abs(right)) for down, right, _ in taps)
    wide = np.pad(values, [(gap, gap), (gap, gap), (0, 0)][: values.ndim], mode="edge")
    total = np.zeros(values.shape, np.float32)
    for down, right, weight in taps:
        top, left = gap - down, gap - right
        total = (total + weight * wide[top : top + height, left : left + width]).astype(np.float32)
    return total


def zoomed(values: NDArray[Any], zoom: float, cut: shapes.Cut) -> NDArray[np.float32]:
    """`values` enlarged about its centre, linearly."""
    for axis in (0, 1):
        lower, share, inside = shapes.zoom_axis(values.shape[axis], zoom, cut)
        upper = np.minimum(lower + 1, values.shape[axis] - 1)
        over = (-1,) + (1,) * (values.ndim - 1 - axis)
        below, above = ((1 - share) * inside).reshape(over), (share * inside).reshape(over)
        values = values.take(lower, axis) * below + values.take(upper, axis) * above
    return values.astype(np.float32)
