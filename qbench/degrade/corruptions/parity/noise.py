"""Noises, value by value in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.parity.levels import levels
from qbench.vocabulary import Image

Legacy = Call[np.random.RandomState]


def gaussian_noise(image: Image, call: Legacy) -> NDArray[Any]:
    return levels(image / 255 + call.rng.normal(size=image.shape, scale=call.c[0]))


def shot_noise(image: Image, call: Legacy) -> NDArray[Any]:
    (photons,) = call.c
    return levels(call.rng.poisson(image / 255 * photons) / photons)


def impulse_noise(image: Image, call: Legacy) -> NDArray[Any]:
    """Salt and pepper in equal parts; the reference's draws cannot be shared, as scikit-image seeds its own."""
    changed = call.rng.random_sample(image.shape) <= call.c[0]
    found = image.copy()
    found[changed] = np.where(call.rng.random_sample(int(changed.sum())) <= 0.5, 255, 0)
    return found


def speckle_noise(image: Image, call: Legacy) -> NDArray[Any]:
    values = image / 255
    return levels(values + values * call.rng.normal(size=image.shape, scale=call.c[0]))
