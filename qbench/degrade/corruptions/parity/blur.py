"""Blurs in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from qbench.degrade.corruptions import shapes
from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.parity.levels import levels
from qbench.vocabulary import Image

Legacy = Call[np.random.RandomState]


def smoothed(values: NDArray[Any], sigma: float) -> NDArray[Any]:
    """A Gaussian over rows and columns, cut at 4 sigma, the border repeated (scikit-image's default)."""
    return np.asarray(gaussian_filter(values, (sigma, sigma, 0)[: values.ndim], mode="nearest", truncate=4.0))


def moved(values: NDArray[Any], radius: float, sigma: float, angle: float) -> NDArray[np.float32]:
    """The mean of shifted pictures along a line, border repeated."""
    height, width = values.shape[:2]
    taps = shapes.line(radius, sigma, angle, values.shape)
    gap = max(max(abs(down), abs(right)) for down, right, _ in taps)
    wide = np.pad(values, [(gap, gap), (gap, gap), (0, 0)][: values.ndim], mode="edge")
    found = np.zeros(values.shape, np.float32)
    for down, right, weight in taps:
        top, left = gap - down, gap - right
        found = (found + weight * wide[top : top + height, left : left + width]).astype(np.float32)
    return found


def zoomed(values: NDArray[Any], zoom: float, cut: shapes.Cut) -> NDArray[np.float32]:
    """`values` enlarged about its centre, linearly."""
    for axis in (0, 1):
        lower, share, inside = shapes.zoom_axis(values.shape[axis], zoom, cut)
        upper = np.minimum(lower + 1, values.shape[axis] - 1)
        over = (-1,) + (1,) * (values.ndim - 1 - axis)
        below, above = ((1 - share) * inside).reshape(over), (share * inside).reshape(over)
        values = values.take(lower, axis) * below + values.take(upper, axis) * above
    return values.astype(np.float32)


def gaussian_blur(image: Image, call: Legacy) -> NDArray[Any]:
    return levels(smoothed(image / 255, call.c[0]))


def glass_blur(image: Image, call: Legacy) -> NDArray[Any]:
    """Blur, move each pixel to a near place, blur."""
    sigma, reach, passes = call.c[0], int(call.c[1]), int(call.c[2])
    values = (smoothed(image / 255, sigma) * 255).astype(np.uint8)
    flat = values.reshape(-1, *values.shape[2:])
    rows, columns = shapes.glass_visits(image.shape, reach)
    for _ in range(passes):
        moves = call.rng.randint(-reach, reach, size=(rows * columns, 2))
        flat = flat[shapes.glass_sources(image.shape, reach, moves[:, 1] * image.shape[1] + moves[:, 0])]
    return levels(smoothed(flat.reshape(image.shape) / 255, sigma))


def defocus_blur(image: Image, call: Legacy) -> NDArray[Any]:
    import cv2

    kernel = shapes.disk(*call.c)
    planes = [cv2.filter2D(plane, -1, kernel) for plane in np.moveaxis(np.atleast_3d(image / 255), 2, 0)]
    return levels(np.stack(planes, 2).reshape(image.shape))


def motion_blur(image: Image, call: Legacy) -> NDArray[Any]:
    call.facts["angle"] = angle = call.rng.uniform(-45, 45)
    return np.asarray(np.clip(moved(image, call.c[0], call.c[1], angle), 0, 255))


def zoom_blur(image: Image, call: Legacy) -> NDArray[Any]:
    values = (image / 255).astype(np.float32)
    zooms = shapes.zooms(*call.c)
    found = np.zeros_like(values)
    for zoom in zooms:
        found += zoomed(values, zoom, "first")
    return levels((values + found) / (len(zooms) + 1))
