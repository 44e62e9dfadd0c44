"""Gaussian, shot, impulse and speckle noise: by tables in fast mode, value by value in [0, 1] in parity mode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.base import Corruption, corruption, scalars
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image


@corruption(
    "gaussian_noise",
    # standard deviation, of a range of 1
    imagenet=scalars(0.08, 0.12, 0.18, 0.26, 0.38),
    cifar=scalars(0.04, 0.06, 0.08, 0.09, 0.10),
)  # fmt: skip
class GaussianNoise(Corruption):
    """Additive Gaussian noise, as in low light; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        import cv2

        steps = draws.normal_steps(255 * call.c[0]).take(draws.words(call.rng, *image.shape))
        return np.asarray(cv2.add(image, steps, dtype=cv2.CV_8U), np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        return exact.levels(image / 255 + call.rng.normal(size=image.shape, scale=call.c[0]))


@corruption(
    "shot_noise",
    # photons of a white pixel
    imagenet=scalars(60, 25, 12, 5, 3),
    cifar=scalars(500, 250, 100, 75, 50),
)  # fmt: skip
class ShotNoise(Corruption):
    """Poisson noise of few photons; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        return draws.poisson_levels(call.rng, image, call.c[0])

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        (photons,) = call.c
        return exact.levels(call.rng.poisson(image / 255 * photons) / photons)


@corruption(
    "impulse_noise",
    # share of values that are replaced
    imagenet=scalars(0.03, 0.06, 0.09, 0.17, 0.27),
    cifar=scalars(0.01, 0.02, 0.03, 0.05, 0.07),
)  # fmt: skip
class ImpulseNoise(Corruption):
    """Salt and pepper, as of dead pixels; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        """One draw says whether a value changes and to what: the lowest become salt, the highest pepper."""
        drawn = draws.words(call.rng, *image.shape)
        half = round(call.c[0] / 2 * draws.LEVELS)
        return (image | _mask(drawn < half)) & _mask(drawn < draws.LEVELS - half)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        """Salt and pepper in equal parts; the reference's draws cannot be shared, as scikit-image seeds its own."""
        changed = call.rng.random_sample(image.shape) <= call.c[0]
        noisy = image.copy()
        noisy[changed] = np.where(call.rng.random_sample(int(changed.sum())) <= 0.5, 255, 0)
        return noisy


def _mask(chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """255 where chosen, else 0."""
    ones = chosen.view(np.uint8)
    return np.negative(ones, out=ones)


@corruption(
    "speckle_noise",
    # standard deviation, relative to the value
    imagenet=scalars(0.15, 0.2, 0.35, 0.45, 0.6),
    cifar=scalars(0.06, 0.1, 0.12, 0.16, 0.2),
)  # fmt: skip
class SpeckleNoise(Corruption):
    """Gaussian noise in proportion to the value; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        factors = draws.normal(call.rng, 1.0, call.c[0], *image.shape)
        factors *= image
        return np.clip(factors, 0, 255, out=factors).astype(np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        values = image / 255
        return exact.levels(values + values * call.rng.normal(size=image.shape, scale=call.c[0]))
