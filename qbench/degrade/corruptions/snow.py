"""Falling snow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.base import Corruption, corruption
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.channels import over_channels
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.fast import filters as quick
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image


@corruption(
    "snow",
    # mean, standard deviation, zoom, threshold, radius and sigma of the fall, share of the picture
    imagenet=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    cifar=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
)  # fmt: skip
class Snow(Corruption):
    """Falling snow, and whiter surroundings; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        import cv2

        mean, spread, zoom, threshold, radius, sigma, share = call.c
        flakes = _flakes(image.shape[:2], mean, spread, zoom, call)
        flakes[flakes < threshold * 255] = 0
        call.facts["angle"] = angle = float(call.rng.uniform(-135, -45))
        fallen = quick.moved(np.clip(flakes + 0.5, 0, 255).astype(np.uint8), radius, sigma, angle)
        fallen = (fallen[: image.shape[0], : image.shape[1]] + 64) >> 7
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        white = quick.each_channel(grey * np.float32(1.5) + np.float32(127.5), image)
        snowy = np.maximum(image, white)
        snowy *= np.float32(1 - share)
        snowy += image * np.float32(share)
        snowy += quick.each_channel((fallen + fallen[::-1, ::-1]).astype(np.float32), image)
        return quick.whole(np.minimum(snowy, 255, out=snowy))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        mean, spread, zoom, threshold, radius, sigma, share = call.c
        values = image.astype(np.float32) / 255
        flakes = exact.zoomed(
            call.rng.normal(mean, spread, size=image.shape[:2]), zoom, "middle" if call.size == "cifar" else "none"
        )
        flakes[flakes < threshold] = 0
        call.facts["angle"] = angle = call.rng.uniform(-135, -45)
        fallen = np.round(exact.moved(np.clip(flakes, 0, 1), radius, sigma, angle) * 255).astype(np.uint8) / 255
        fallen = fallen[: image.shape[0], : image.shape[1]]
        values = share * values + (1 - share) * whitened(values)
        return exact.levels(values + over_channels(fallen + np.rot90(fallen, k=2), image))


def _flakes(shape: tuple[int, ...], mean: float, spread: float, zoom: float, call: Keyed) -> NDArray[np.float32]:
    """Normal noise, enlarged; only the part is drawn that the enlargement keeps."""
    import cv2

    kept = [math.ceil(side / zoom) for side in shape]
    enlarged = [round(side * zoom) for side in kept]
    drawn = draws.normal(call.rng, 255 * mean, 255 * spread, *kept)
    scale = [(small - 1) / (large - 1) for small, large in zip(kept, enlarged, strict=True)]
    first = [(large - side) // 2 if call.size == "cifar" else 0 for large, side in zip(enlarged, shape, strict=True)]
    size = shape if call.size == "cifar" else enlarged
    places = np.array([[scale[1], 0, first[1] * scale[1]], [0, scale[0], first[0] * scale[0]]])
    return np.asarray(cv2.warpAffine(drawn, places, (size[1], size[0]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                     borderMode=cv2.BORDER_REPLICATE))  # fmt: skip


def whitened(values: NDArray[Any]) -> NDArray[Any]:
    import cv2

    grey = values if values.ndim == 2 else cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[..., None]
    return np.asarray(np.maximum(values, grey * 1.5 + 0.5))
