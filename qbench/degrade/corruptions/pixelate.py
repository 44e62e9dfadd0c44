"""Pixelate, with the means that Pillow takes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from qbench.degrade.corruptions.base import Corruption, corruption, scalars
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.vocabulary import Image


@corruption(
    "pixelate",
    # share of the resolution
    imagenet=scalars(0.6, 0.5, 0.4, 0.3, 0.25),
    cifar=scalars(0.95, 0.9, 0.85, 0.75, 0.65),
)  # fmt: skip
class Pixelate(Corruption):
    """Drawn larger from a lower resolution; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        """The values of parity mode. Both axes are reduced and enlarged as rows, which are contiguous."""
        import cv2

        if call.size == "cifar":
            return blocks(image, call.c[0], smooth=True)
        height, width = image.shape[:2]
        across, down = _windows(width, int(width * call.c[0])), _windows(height, int(height * call.c[0]))
        means = _means(cv2.transpose(_means(cv2.transpose(image), across)), down)
        wide = cv2.transpose(np.asarray(cv2.transpose(means)).take(_nearest(width, len(across[0])), 0))
        return np.asarray(np.asarray(wide).take(_nearest(height, len(down[0])), 0), np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> Image:
        return blocks(image, call.c[0], smooth=call.size == "cifar")


@lru_cache(maxsize=64)
def _windows(length: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First sample and number of samples of each of Pillow's box means."""
    scale = length / count
    centres = (np.arange(count) + 0.5) * scale
    samples = np.arange(length)
    places = (samples - centres[:, None] + 0.5) * (1 / scale)
    inside = (places > -0.5) & (places <= 0.5)
    inside &= samples >= (centres - scale / 2 + 0.5).astype(int)[:, None]
    inside &= samples < (centres + scale / 2 + 0.5).astype(int)[:, None]
    return inside.argmax(1), inside.sum(1)


@lru_cache(maxsize=64)
def _nearest(length: int, count: int) -> NDArray[np.intp]:
    step = count / length
    return np.cumsum([step / 2] + [step] * (length - 1)).astype(np.intp)  # summed as Pillow does, for ties


def _means(rows: Any, windows: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.uint8]:
    """Means of some consecutive rows of uint8 each, rounded up from a half as Pillow does after each axis."""
    first, counts = windows
    over = (-1,) + (1,) * (rows.ndim - 1)
    total: NDArray[np.float32] = rows.take(first, 0).astype(np.float32)
    for step in range(1, int(counts.max())):
        more = rows.take(np.minimum(first + step, len(rows) - 1), 0)
        total += more if step < counts.min() else more * (counts > step).astype(np.uint8).reshape(over)
    total *= (1 / counts).astype(np.float32).reshape(over)
    total += np.float32(0.5 + 1e-4)
    return total.astype(np.uint8)


def blocks(image: Image, share: float, smooth: bool) -> Image:
    """Box means at `share` of the resolution, drawn at the old size: `smooth` takes box means again."""
    height, width = image.shape[:2]
    small = Pillow.fromarray(image).resize((int(width * share), int(height * share)), Pillow.Resampling.BOX)
    back = Pillow.Resampling.BOX if smooth else Pillow.Resampling.NEAREST
    return np.asarray(small.resize((width, height), back))
