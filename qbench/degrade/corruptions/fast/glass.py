"""Glass blur."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes
from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.fast.blur import hair, smoothed, whole
from qbench.vocabulary import Image

Keyed = Call[np.random.Generator]


def glass_blur(image: Image, call: Keyed) -> Image:
    sigma, reach, passes = call.c[0], int(call.c[1]), int(call.c[2])
    values = whole(smoothed(image, sigma), hair(sigma))
    rows, columns = shapes.glass_visits(image.shape, reach)
    flat: NDArray[Any] = values.reshape(-1) if image.ndim == 2 else _packed(values)
    for _ in range(passes):
        drawn = draws.words(call.rng, rows * columns).astype(np.int32)
        drawn *= 4 * reach * reach
        drawn >>= 16
        flat = flat.take(shapes.glass_sources(image.shape, reach, _steps(image.shape[1], reach).take(drawn)))
    return whole(smoothed(flat.reshape(image.shape) if image.ndim == 2 else _unpacked(flat, image.shape), sigma))


def _packed(values: Image) -> NDArray[np.uint32]:
    """One number a pixel, which moves in one step."""
    import cv2

    return np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2RGBA), np.uint8).view(np.uint32).reshape(-1)


def _unpacked(flat: NDArray[np.uint32], shape: tuple[int, ...]) -> Image:
    import cv2

    return np.asarray(cv2.cvtColor(flat.view(np.uint8).reshape(*shape[:2], 4), cv2.COLOR_RGBA2RGB), np.uint8)


@lru_cache(maxsize=64)
def _steps(width: int, reach: int) -> NDArray[np.int64]:
    """The flat steps to all places that glass blur may take a pixel's value from."""
    side = np.arange(-reach, reach)
    return np.add.outer(side * width, side).ravel()
