"""Blurs in float32 and 16-bit integers."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes
from qbench.vocabulary import Image

HAIR = np.float32(2e-4)
"""Of a grey level: more than what float32 rounds away from a mean of equal values."""
_ONE = 128
"""The weight 1 in 16-bit sums: 255 x 128 fits an int16."""
_SEGMENT = 11
"""Side of the largest kernel that OpenCV filters directly; it turns to Fourier transforms above 130 weights."""


def smoothed(values: NDArray[Any], sigma: float, truncate: float = 4.0) -> NDArray[np.float32]:
    """A Gaussian cut at `truncate` sigma, the border repeated; float32."""
    import cv2

    taps = 2 * int(truncate * sigma + 0.5) + 1
    source = values.astype(np.float32)
    if taps == 1:
        return source
    return np.asarray(cv2.GaussianBlur(source, (taps, taps), sigma, borderType=cv2.BORDER_REPLICATE))


def whole(values: NDArray[np.float32], shift: np.float32 = HAIR) -> Image:
    """float32 in -1..255, cut to whole levels, below 0 too; a positive `shift` leaves flat places as they are."""
    values += shift
    return values.astype(np.uint8)


@cache
def hair(sigma: float) -> np.float32:
    """Negative where the reference's weights sum to less than 1 in float64, so that white falls by a level."""
    from scipy.ndimage import gaussian_filter

    white = gaussian_filter(np.ones((3, 3)), sigma, mode="nearest", truncate=4.0) * 255
    return HAIR if white[1, 1] >= 255 else -HAIR


def moved(image: Image, radius: float, sigma: float, angle: float) -> NDArray[np.int16]:
    """128 times the mean of shifted pictures along a line, border repeated: the line is cut into short filters."""
    import cv2

    height, width = image.shape[:2]
    taps = shapes.line(radius, sigma, angle, image.shape)
    gap = max(max(abs(down), abs(right)) for down, right, _ in taps)
    wide = cv2.copyMakeBorder(image, gap, gap, gap, gap, cv2.BORDER_REPLICATE)
    total = np.zeros(image.shape, np.int16)
    for start in range(0, len(taps), _SEGMENT):
        kernel, top, left = _kernel(taps[start : start + _SEGMENT])
        part = wide[gap + top :, gap + left :][: height + len(kernel) - 1, : width + kernel.shape[1] - 1]
        filtered = np.asarray(cv2.filter2D(part, cv2.CV_16S, kernel, anchor=(0, 0)), np.int16)
        total += filtered[:height, :width]
    return total


def _kernel(taps: list[shapes.Tap]) -> tuple[NDArray[np.float32], int, int]:
    """The taps as the weights of a correlation, and where its first row and column lie from the pixel."""
    top, left = min(-down for down, _, _ in taps), min(-right for _, right, _ in taps)
    bottom, end = max(-down for down, _, _ in taps), max(-right for _, right, _ in taps)
    kernel = np.zeros((bottom - top + 1, end - left + 1), np.float32)
    for down, right, weight in taps:
        kernel[-down - top, -right - left] += weight * _ONE
    return kernel, top, left


def zoomed(values: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Enlarged about the centre, linearly, and cut to its size; the places differ by up to an eighth of a pixel from
    the reference's, which puts the outer samples on the border."""
    import cv2

    height, width = values.shape[:2]
    rows, columns = math.ceil(height / zoom), math.ceil(width / zoom)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = values[top : top + rows, left : left + columns]
    return np.asarray(cv2.resize(part, (round(columns * zoom), round(rows * zoom))), np.float32)[:height, :width]


def each_channel(plane: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
    """A plane for each channel of the picture."""
    import cv2

    return plane if image.ndim == 2 else np.asarray(cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB), np.float32)
