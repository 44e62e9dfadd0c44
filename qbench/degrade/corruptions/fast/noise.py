"""Noises by table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.fast import draws
from qbench.vocabulary import Image

Keyed = Call[np.random.Generator]


def gaussian_noise(image: Image, call: Keyed) -> Image:
    import cv2

    steps = draws.normal_steps(255 * call.c[0]).take(draws.words(call.rng, *image.shape))
    return np.asarray(cv2.add(image, steps, dtype=cv2.CV_8U), np.uint8)


def shot_noise(image: Image, call: Keyed) -> Image:
    return draws.poisson_levels(call.rng, image, call.c[0])


def impulse_noise(image: Image, call: Keyed) -> Image:
    """One draw says whether a value changes and to what: the lowest become salt, the highest pepper."""
    drawn = draws.words(call.rng, *image.shape)
    half = round(call.c[0] / 2 * draws.LEVELS)
    return (image | _mask(drawn < half)) & _mask(drawn < draws.LEVELS - half)


def _mask(chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """255 where chosen, else 0."""
    ones = chosen.view(np.uint8)
    return np.negative(ones, out=ones)


def speckle_noise(image: Image, call: Keyed) -> Image:
    factors = draws.normal(call.rng, 1.0, call.c[0], *image.shape)
    factors *= image
    return np.clip(factors, 0, 255, out=factors).astype(np.uint8)
