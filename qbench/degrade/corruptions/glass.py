"""Glass blur."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes
from qbench.degrade.corruptions.base import Corruption, corruption
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.fast import filters as quick
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image


@corruption(
    "glass_blur",
    # sigma, reach, passes
    imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
)  # fmt: skip
class GlassBlur(Corruption):
    """As through frosted glass: pixels copied from near ones, between two blurs; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        sigma, reach, passes = call.c[0], int(call.c[1]), int(call.c[2])
        values = quick.whole(quick.smoothed(image, sigma), quick.hair(sigma))
        rows, columns = shapes.glass_visits(image.shape, reach)
        flat: NDArray[Any] = values.reshape(-1) if image.ndim == 2 else _packed(values)
        for _ in range(passes):
            drawn = draws.words(call.rng, rows * columns).astype(np.int32)
            drawn *= 4 * reach * reach
            drawn >>= 16
            flat = flat.take(shapes.glass_sources(image.shape, reach, _steps(image.shape[1], reach).take(drawn)))
        moved = flat.reshape(image.shape) if image.ndim == 2 else _unpacked(flat, image.shape)
        return quick.whole(quick.smoothed(moved, sigma))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        """Blur, move each pixel to a near place, blur."""
        sigma, reach, passes = call.c[0], int(call.c[1]), int(call.c[2])
        values = (exact.smoothed(image / 255, sigma) * 255).astype(np.uint8)
        flat = values.reshape(-1, *values.shape[2:])
        rows, columns = shapes.glass_visits(image.shape, reach)
        for _ in range(passes):
            moves = call.rng.randint(-reach, reach, size=(rows * columns, 2))
            flat = flat[shapes.glass_sources(image.shape, reach, moves[:, 1] * image.shape[1] + moves[:, 0])]
        return exact.levels(exact.smoothed(flat.reshape(image.shape) / 255, sigma))


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
