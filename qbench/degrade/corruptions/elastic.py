"""Elastic deformation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.base import Corruption, corruption
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image


@corruption(
    "elastic_transform",
    # displacement, sigma, reach of the corners (0: no affine map); shares of a side
    imagenet=tuple((share * 250 * 0.005, 0.01, 0.0) for share in (0.05, 0.065, 0.085, 0.1, 0.12)),
    cifar=((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
)  # fmt: skip
class ElasticTransform(Corruption):
    """Small regions stretched and shrunk; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        import cv2

        displacement, sigma, reach = call.c
        height, width = image.shape[:2]
        values = image.astype(np.uint16) << 8  # fractions of a level, to be cut off at the end
        if reach:
            values = sheared(values, call.rng.uniform(-reach * height, reach * height, size=(3, 2)))
        right, down = (_displacements(draws.words(call.rng, height, width), displacement, sigma) for _ in range(2))
        right += np.arange(width, dtype=np.float32)
        down += np.arange(height, dtype=np.float32)[:, None]
        mapped = np.asarray(cv2.remap(values, right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint16)
        return (mapped >> 8).astype(np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        """A smooth random displacement, after a random affine map in the `cifar` form.

        Lengths are shares of the height; the sigma of each axis is a share of its own length."""
        from scipy.ndimage import gaussian_filter, map_coordinates

        displacement, sigma, reach = call.c
        height, width = image.shape[:2]
        values = image.astype(np.float32) / 255
        if reach:
            values = sheared(values, call.rng.uniform(-reach * height, reach * height, size=(3, 2)))
        largest = displacement * height
        right, down = (
            gaussian_filter(
                call.rng.uniform(-largest, largest, size=(height, width)),
                (sigma * height, sigma * width), mode="reflect", truncate=3,
            ).astype(np.float32)
            for _ in range(2)
        )  # fmt: skip
        places = np.arange(height)[:, None] + down, np.arange(width) + right
        planes = [
            map_coordinates(plane, places, order=1, mode="reflect")
            for plane in np.moveaxis(np.atleast_3d(values), 2, 0)
        ]
        return exact.levels(np.stack(planes, 2).reshape(image.shape))


def _displacements(drawn: NDArray[np.uint16], displacement: float, sigma: float) -> NDArray[np.float32]:
    """Uniform values in plus or minus `displacement`, smoothed; both lengths in shares of the sides."""
    import cv2

    height, width = drawn.shape
    field = drawn.astype(np.float32)
    field -= np.float32(32767.5)
    field *= np.float32(displacement * height / 32767.5)
    if sigma:
        taps = [2 * int(3 * sigma * side + 0.5) + 1 for side in (width, height)]
        cv2.GaussianBlur(field, taps, sigma * width, field, sigma * height, cv2.BORDER_REFLECT)
    return field


def sheared(values: NDArray[Any], moves: NDArray[np.float64]) -> NDArray[Any]:
    """The affine map that moves three corners of a square of a third of the picture by `moves` (right, down)."""
    import cv2

    height, width = values.shape[:2]
    centre, side = np.array([width // 2, height // 2], np.float32), np.float32(min(height, width) // 3)
    corners = centre + side * np.array([[1, 1], [1, -1], [-1, -1]], np.float32)
    matrix = cv2.getAffineTransform(corners, corners + moves.astype(np.float32))
    return np.asarray(cv2.warpAffine(values, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101))
