"""Drops of water, or mud, on the lens."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.base import Corruption, corruption
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.channels import over_channels, to_grey
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.fast import filters as quick
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image

MUD, WATER = np.array([63, 42, 20]) / 255, np.array([175, 238, 238]) / 255


@corruption(
    "spatter",
    # mean, standard deviation, sigma, threshold, opacity or sigma of the mud, 1 for mud
    imagenet=(
        (0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    cifar=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
)  # fmt: skip
class Spatter(Corruption):
    """Drops of water, or mud, on the lens; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        mean, spread, sigma, threshold, opacity, mud = call.c
        liquid = quick.smoothed(draws.normal(call.rng, mean, spread, *image.shape[:2]), sigma)
        liquid[liquid < threshold] = 0
        grey = image.ndim == 2
        if mud:
            cover = quick.smoothed(liquid > threshold, opacity)
            cover[cover < 0.8] = 0
            colour = np.asarray((to_grey(MUD) if grey else MUD) * 255, np.float32)
            changed = quick.each_channel(cover, image) * (colour - image)
        else:
            shine = refraction((liquid * 255).astype(np.uint8)) * np.float32(opacity * 255)
            changed = quick.each_channel(shine, image) * np.asarray(to_grey(WATER) if grey else WATER, np.float32)
        changed += image
        return quick.whole(np.clip(changed, 0, 255, out=changed))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        mean, spread, sigma, threshold, opacity, mud = call.c
        values = image.astype(np.float32) / 255
        liquid = exact.smoothed(call.rng.normal(mean, spread, size=image.shape[:2]), sigma)
        liquid[liquid < threshold] = 0
        if mud:
            cover = exact.smoothed((liquid > threshold).astype(np.float32), opacity)
            cover[cover < 0.8] = 0
            colour = cover * to_grey(MUD) if image.ndim == 2 else cover[..., None] * MUD
            return exact.levels(values * (1 - over_channels(cover, image)) + colour)
        shine = refraction((liquid * 255).astype(np.uint8)) * opacity
        colour = np.clip(shine[..., None] * WATER, 0, 1)
        return exact.levels(values + (to_grey(colour) if image.ndim == 2 else colour))


def refraction(liquid: Image) -> NDArray[np.float32]:
    """How bright each place of a film of water is, [H, W] in [0, 1]: depth below its edges, embossed."""
    import cv2

    depth = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    depth = cv2.threshold(depth, 20, 20, cv2.THRESH_TRUNC)[1]
    depth = cv2.equalizeHist(cv2.blur(depth, (3, 3)).astype(np.uint8))
    embossed = cv2.filter2D(depth, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32))
    shine = liquid * cv2.blur(embossed, (3, 3)).astype(np.float32)
    return np.asarray(shine / max(float(shine.max()), 1e-6), np.float32)
