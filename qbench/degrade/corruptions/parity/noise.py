"""Noises, value by value in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.call import Call
from qbench.vocabulary import Image

Legacy = Call[np.random.RandomState]


def gaussian_noise(image: Image, call: Legacy) -> NDArray[Any]:
    return np.clip(image / 255 + call.rng.normal(size=image.shape, scale=call.c[0]), 0, 1) * 255


def shot_noise(image: Image, call: Legacy) -> NDArray[Any]:
    (photons,) = call.c
    return np.clip(call.rng.poisson(image / 255 * photons) / photons, 0, 1) * 255


def impulse_noise(image: Image, call: Legacy) -> NDArray[Any]:
    """Salt and pepper in equal parts; the reference's draws cannot be shared, as scikit-image seeds its own."""
    changed = call.rng.random_sample(image.shape) <= call.c[0]
    salt = call.rng.random_sample(image.shape) <= 0.5
    return np.where(changed, np.where(salt, 255, 0), image)


def speckle_noise(image: Image, call: Legacy) -> NDArray[Any]:
    values = image / 255
    return np.clip(values + values * call.rng.normal(size=image.shape, scale=call.c[0]), 0, 1) * 255
