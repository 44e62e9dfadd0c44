"""Kernels, paths and grids that both modes share, and the pure functions that build them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Tap = tuple[int, int, float]
"""Rows down, columns to the right, weight."""


@cache
def disk(radius: float, edge: float) -> NDArray[np.float32]:
    """A filled circle of sum 1 whose edge is softened by a Gaussian of sigma `edge` pixels; [n, n], n odd."""
    import cv2

    reach, taps = (8, 3) if radius <= 8 else (math.floor(radius), 5)
    side = np.arange(-reach, reach + 1)
    hard = (side[:, None] ** 2 + side**2 <= radius**2).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(hard / hard.sum(), (taps, taps), sigmaX=edge), np.float32)


def line(radius: float, sigma: float, angle: float, shape: tuple[int, ...]) -> list[Tap]:
    """The trace of a moving point: one-sided Gaussian weights along `angle` (degrees) on whole pixels.

    As ImageMagick's motion blur, in the form of imagecorruptions: the trace stops where it would leave the picture,
    and its weight is then missing from the sum."""
    width = 2 * int(radius) + 1
    weights = np.exp(-(np.arange(width) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    height, breadth = width * math.sin(math.radians(angle)), width * math.cos(math.radians(angle))
    length = math.hypot(height, breadth)
    taps = []
    for step, weight in enumerate(weights):
        down = -math.ceil(step * height / length - 0.5)
        right = -math.ceil(step * breadth / length - 0.5)
        if abs(down) >= shape[0] or abs(right) >= shape[1]:
            break
        taps.append((down, right, float(weight)))
    return taps


@cache
def zooms(end: float, step: float) -> tuple[float, ...]:
    return tuple(float(zoom) for zoom in np.arange(1, end, step))


Cut = Literal["first", "middle", "none"]
"""Which samples of an axis remain that a zoom has made longer: ImageNet-C and CIFAR-10-C differ here."""


def zoom_axis(length: int, zoom: float, cut: Cut) -> tuple[NDArray[np.intp], Floats, NDArray[np.bool_]]:
    """Where the samples of a zoomed axis come from: lower neighbour, share of the upper one, and whether the place
    lies inside the picture (rounding puts some last places outside, where scipy's zoom gives 0)."""
    kept = math.ceil(length / zoom)
    start = (length - kept) // 2
    enlarged = round(kept * zoom)
    first = (enlarged - length) // 2 if cut == "middle" else 0
    scale = (kept - 1) / (enlarged - 1) if enlarged > 1 else 0.0
    places = np.arange(first, enlarged if cut == "none" else first + length) * scale
    lower = np.minimum(places.astype(np.intp), max(kept - 2, 0))
    return start + lower, places - lower, places <= kept - 1


def next_power_of_2(value: int) -> int:
    return 1 << (value - 1).bit_length()


def glass_visits(shape: tuple[int, ...], reach: int) -> tuple[int, int]:
    """How many rows and columns one pass of glass blur visits, from the last to the first."""
    return max(shape[0] - 2 * reach, 0), max(shape[1] - 2 * reach, 0)


def glass_sources(shape: tuple[int, ...], reach: int, moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """The flat index that each pixel's value comes from in one pass of glass blur; `moves`: flat steps, one a visit.

    The authors' script means to swap a pixel with a neighbour, one pixel after the other. Its two sides are views of
    one array, so that what happens is a copy of the neighbour's current value, and ImageNet-C is made of copies. A
    chain of copies ends at the first neighbour that was not visited before; all chains are followed at once, and
    their lengths double in each round."""
    visited = slice(shape[0] - reach, reach, -1), slice(shape[1] - reach, reach, -1)
    moves = moves.reshape(glass_visits(shape, reach))
    source = np.arange(shape[0] * shape[1])
    source.reshape(shape[:2])[visited] += moves
    open_ = np.zeros(len(source), bool)
    open_.reshape(shape[:2])[visited] = moves > 0
    active = np.flatnonzero(open_)
    while active.size:
        target = source[active]
        further = open_[target]
        source[active] = source[target]
        open_[active] = further
        active = active[further]
    return source


def diamond_square(size: int) -> Iterator[tuple[int, int]]:
    """Step and half step of each level of the plasma fractal on a map of `size`, a power of two."""
    step = size
    while step >= 2:
        yield step, step // 2
        step //= 2
