"""Blurs in float32 and 16-bit integers."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes
from qbench.degrade.corruptions.call import Call
from qbench.vocabulary import Image

Keyed = Call[np.random.Generator]
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


def gaussian_blur(image: Image, call: Keyed) -> Image:
    return whole(smoothed(image, call.c[0]), hair(call.c[0]))


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


def defocus_blur(image: Image, call: Keyed) -> Image:
    """A product of Fourier transforms; two channels share one as its real and imaginary part."""
    import cv2

    kernel = shapes.disk(*call.c)
    reach, (height, width) = len(kernel) // 2, image.shape[:2]
    size = tuple(cv2.getOptimalDFTSize(side + 2 * reach) for side in (height, width))
    transfer = _transfer(call.c, size)
    below, right = size[0] - height - reach, size[1] - width - reach
    wide = cv2.copyMakeBorder(image, reach, below, reach, right, cv2.BORDER_REFLECT_101)
    planes = [plane.astype(np.float32) for plane in cv2.split(wide)]
    planes += [np.zeros_like(planes[0])] * (len(planes) % 2)
    blurred: list[Any] = []
    for real, imaginary in zip(planes[::2], planes[1::2], strict=True):
        waves = np.asarray(cv2.dft(cv2.merge([real, imaginary])), np.float32)
        blurred += cv2.split(cv2.dft(np.multiply(waves, transfer, out=waves), flags=cv2.DFT_INVERSE))
    found = np.asarray(cv2.merge(blurred[:3]) if image.ndim == 3 else blurred[0], np.float32)
    np.minimum(found, np.float32(255), out=found)
    sign = 1 if kernel.sum(dtype=np.float64) >= 1 else -1
    return whole(found[reach : reach + height, reach : reach + width], sign * HAIR)


@lru_cache(maxsize=32)
def _transfer(c: tuple[float, float], size: tuple[int, int]) -> NDArray[np.float32]:
    """[*size, 2]: what the disk does to each wave, over the number of waves; real, as the disk is symmetric."""
    import cv2

    kernel = shapes.disk(*c)
    centred = np.zeros((*size, 2), np.float32)
    centred[: len(kernel), : len(kernel), 0] = kernel
    waves = np.asarray(cv2.dft(np.roll(centred, (-(len(kernel) // 2),) * 2, (0, 1))), np.float32)
    return np.repeat(waves[..., :1], 2, axis=2) / np.float32(size[0] * size[1])


def motion_blur(image: Image, call: Keyed) -> Image:
    call.facts["angle"] = angle = float(call.rng.uniform(-45, 45))
    sums = moved(image, call.c[0], call.c[1], angle)
    sums += _white_stays(call.c[0], call.c[1])
    np.maximum(sums, 0, out=sums)
    sums >>= 7
    return sums.astype(np.uint8)


@cache
def _white_stays(radius: float, sigma: float) -> np.int16:
    """In 128ths of a level: enough to undo the rounding of the parts, or negative where white falls in the reference,
    whose float32 sum of the weights then ends below 1."""
    white = np.float32(0)
    for _, _, weight in shapes.line(radius, sigma, 0, (1000, 1000)):
        white = np.float32(white + weight * 255)
    return np.int16(2 if white >= 255 else -2)


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
        found = np.asarray(cv2.filter2D(part, cv2.CV_16S, kernel, anchor=(0, 0)), np.int16)
        total += found[:height, :width]
    return total


def _kernel(taps: list[shapes.Tap]) -> tuple[NDArray[np.float32], int, int]:
    """The taps as the weights of a correlation, and where its first row and column lie from the pixel."""
    top, left = min(-down for down, _, _ in taps), min(-right for _, right, _ in taps)
    bottom, end = max(-down for down, _, _ in taps), max(-right for _, right, _ in taps)
    kernel = np.zeros((bottom - top + 1, end - left + 1), np.float32)
    for down, right, weight in taps:
        kernel[-down - top, -right - left] += weight * _ONE
    return kernel, top, left


def zoom_blur(image: Image, call: Keyed) -> Image:
    """The mean of the picture and of its enlargements."""
    values = image.astype(np.float32)
    zooms = shapes.zooms(*call.c)
    total = values * 2
    for zoom in zooms[1:]:
        total += zoomed(values, zoom)
    total *= np.float32(1 / (len(zooms) + 1))
    return whole(total)


def zoomed(values: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Enlarged about the centre, linearly, and cut to its size; the places differ by up to an eighth of a pixel from
    the reference's, which puts the outer samples on the border."""
    import cv2

    height, width = values.shape[:2]
    rows, columns = math.ceil(height / zoom), math.ceil(width / zoom)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = values[top : top + rows, left : left + columns]
    return np.asarray(cv2.resize(part, (round(columns * zoom), round(rows * zoom))), np.float32)[:height, :width]
