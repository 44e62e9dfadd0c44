"""Fog."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes
from qbench.degrade.corruptions.base import Corruption, corruption
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.channels import over_channels
from qbench.degrade.corruptions.fast import filters as quick
from qbench.degrade.corruptions.fast.plasma import plasma as quick_plasma
from qbench.degrade.corruptions.parity import filters as exact
from qbench.degrade.corruptions.parity.plasma import plasma as exact_plasma
from qbench.vocabulary import Image


@corruption(
    "fog",
    # amount, decay of the fractal
    imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
)  # fmt: skip
class Fog(Corruption):
    """A cloud in front of the picture, a plasma fractal; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        amount, decay = call.c
        height, width = image.shape[:2]
        brightest = int(image.max()) / 255
        dimmed = brightest / (brightest + amount)
        cloud = quick_plasma(shapes.next_power_of_2(max(height, width)), decay, call.rng)[:height, :width]
        cloud = cloud * np.float32(255 * amount * dimmed)
        foggy = image * np.float32(dimmed)
        foggy += quick.each_channel(cloud, image)
        return quick.whole(np.minimum(foggy, 255, out=foggy))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        amount, decay = call.c
        values = image / 255
        brightest = values.max()
        height, width = image.shape[:2]
        cloud = exact_plasma(shapes.next_power_of_2(max(height, width)), decay, call.rng)[:height, :width]
        values = values + amount * over_channels(cloud, image)
        return exact.levels(values * brightest / (brightest + amount))
