"""Gaussian, defocus, motion and zoom blur."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes
from qbench.degrade.corruptions.base import Corruption, corruption, scalars
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.fast import filters as quick
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image


@corruption(
    "gaussian_blur",
    # sigma, pixels
    imagenet=scalars(1, 2, 3, 4, 6),
    cifar=scalars(0.4, 0.6, 0.7, 0.8, 1),
)  # fmt: skip
class GaussianBlur(Corruption):
    """A Gaussian blur; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        return quick.whole(quick.smoothed(image, call.c[0]), quick.hair(call.c[0]))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        return exact.levels(exact.smoothed(image / 255, call.c[0]))


@corruption(
    "defocus_blur",
    # radius, sigma of its edge
    imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
)  # fmt: skip
class DefocusBlur(Corruption):
    """The blur of a lens out of focus, a disk; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
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
        planes_blurred = np.asarray(cv2.merge(blurred[:3]) if image.ndim == 3 else blurred[0], np.float32)
        np.minimum(planes_blurred, np.float32(255), out=planes_blurred)
        sign = 1 if kernel.sum(dtype=np.float64) >= 1 else -1
        return quick.whole(planes_blurred[reach : reach + height, reach : reach + width], sign * quick.HAIR)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        import cv2

        kernel = shapes.disk(*call.c)
        planes = [cv2.filter2D(plane, -1, kernel) for plane in np.moveaxis(np.atleast_3d(image / 255), 2, 0)]
        return exact.levels(np.stack(planes, 2).reshape(image.shape))


@lru_cache(maxsize=32)
def _transfer(c: tuple[float, float], size: tuple[int, int]) -> NDArray[np.float32]:
    """[*size, 2]: what the disk does to each wave, over the number of waves; real, as the disk is symmetric."""
    import cv2

    kernel = shapes.disk(*c)
    centred = np.zeros((*size, 2), np.float32)
    centred[: len(kernel), : len(kernel), 0] = kernel
    waves = np.asarray(cv2.dft(np.roll(centred, (-(len(kernel) // 2),) * 2, (0, 1))), np.float32)
    return np.repeat(waves[..., :1], 2, axis=2) / np.float32(size[0] * size[1])


@corruption(
    "motion_blur",
    # radius, sigma
    imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
)  # fmt: skip
class MotionBlur(Corruption):
    """A fast camera, moved within 45 degrees of the horizontal; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        call.facts["angle"] = angle = float(call.rng.uniform(-45, 45))
        sums = quick.moved(image, call.c[0], call.c[1], angle)
        sums += _white_stays(call.c[0], call.c[1])
        np.maximum(sums, 0, out=sums)
        sums >>= 7
        return sums.astype(np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        call.facts["angle"] = angle = call.rng.uniform(-45, 45)
        return np.asarray(np.clip(exact.moved(image, call.c[0], call.c[1], angle), 0, 255))


@cache
def _white_stays(radius: float, sigma: float) -> np.int16:
    """In 128ths of a level: enough to undo the rounding of the parts, or negative where white falls in the reference,
    whose float32 sum of the weights then ends below 1."""
    white = np.float32(0)
    for _, _, weight in shapes.line(radius, sigma, 0, (1000, 1000)):
        white = np.float32(white + weight * 255)
    return np.int16(2 if white >= 255 else -2)


@corruption(
    "zoom_blur",
    # end and step of the zooms
    imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    cifar=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
)  # fmt: skip
class ZoomBlur(Corruption):
    """A camera that moves towards its object; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        """The mean of the picture and of its enlargements."""
        values = image.astype(np.float32)
        zooms = shapes.zooms(*call.c)
        total = values * 2
        for zoom in zooms[1:]:
            total += quick.zoomed(values, zoom)
        total *= np.float32(1 / (len(zooms) + 1))
        return quick.whole(total)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        values = (image / 255).astype(np.float32)
        zooms = shapes.zooms(*call.c)
        enlarged = np.zeros_like(values)
        for zoom in zooms:
            enlarged += exact.zoomed(values, zoom, "first")
        return exact.levels((values + enlarged) / (len(zooms) + 1))
