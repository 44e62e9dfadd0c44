"""Noise on pixel values, and pictures taken in little light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.labels import ByParameters
from qbench.degrade.optics.srgb import decoded, to_linear, to_srgb
from qbench.degrade.picture import SMALLEST, STRICT, checked
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

LIBRARIES = ("numpy",)


def noisy(
    values: NDArray[np.float32], peak: float | None, sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Poisson(values · peak) / peak + N(0, sigma²), of values that are 1 at white; None for `peak` counts no photons.

    Not clipped: the mean stays, and the variance is values / peak + sigma² (Foi et al., IEEE TIP 17:1737, 2008)."""
    if peak is not None:
        values = rng.poisson(values * np.float32(peak)).astype(np.float32) / np.float32(peak)
    if sigma > 0:
        values = values + np.float32(sigma) * rng.standard_normal(values.shape, np.float32)
    return values


def _to_values(image: Image) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)


def _to_image(values: NDArray[np.float32]) -> Image:
    image: Image = np.rint(np.clip(values * np.float32(255), 0, 255)).astype(np.uint8)
    return image


@condition("awgn", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class GaussianNoise(ByParameters):
    """White Gaussian noise of `sigma` grey levels on each value, rounded and clipped to 8 bits.

    Literature: 15, 25, 50 (DnCNN; Zhang et al., IEEE TIP 26:3142, 2017); blind training takes 0-55."""

    name = "awgn"
    sigma: float = Field(default=25.0, ge=0, le=255)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        values = _to_values(checked(image, self.label, SMALLEST))
        return _to_image(noisy(values, None, self.sigma / 255, draw("awgn"))), {"sigma": self.sigma}


@condition("poisson", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class PoissonNoise(ByParameters):
    """Photon noise: each value counts photons, `peak` of them at white, on pixel values.

    Literature: peaks of 1-30 (Mäkitalo and Foi, IEEE TIP 20:99, 2011; Remez et al., ICCP 2017)."""

    name = "poisson"
    peak: float = Field(default=30.0, ge=0.01, le=1e6)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        values = _to_values(checked(image, self.label, SMALLEST))
        return _to_image(noisy(values, self.peak, 0.0, draw("poisson"))), {"peak": self.peak}


@condition("poisson-gauss", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class PoissonGaussianNoise(ByParameters):
    """Noise of a sensor: photons, `peak` of them at white, and read-out noise of `sigma` grey levels; in linear light.

    Literature: log-uniform shot noise of 1e-4 to 0.012 (peak 80-10,000) and matching read-out noise of 0.0006-0.06 of
    white (0.15-15 grey levels; Brooks et al., CVPR 2019)."""

    name = "poisson-gauss"
    peak: float = Field(default=300.0, ge=0.01, le=1e6)
    sigma: float = Field(default=2.0, ge=0, le=255)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        light = to_linear(checked(image, self.label, SMALLEST))
        noisy_image = to_srgb(noisy(light, self.peak, self.sigma / 255, draw("poisson-gauss")))
        return noisy_image, {"peak": self.peak, "sigma": self.sigma}


@condition("lowlight", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class LowLight(ByParameters):
    """Too little light: a darker tone curve (value^gamma), `gain` of the light, and the noise of a sensor.

    `photons` are counted where a pixel of the bright picture would be white, so that `gain · photons` are left of
    them (null: no photon noise); `read` is the read-out noise as a share of that white. Literature: gamma 2-5 with
    sigma 25 (LLNet; Lore et al., Pattern Recognition 61, 2017), gamma 1.5-5 times 0.45-1 with Poisson noise of peak 200
    (MBLLEN; Lv et al., BMVC 2018), exposures of 1/100-1/300 (SID; Chen et al., CVPR 2018)."""

    name = "lowlight"
    gain: float = Field(default=0.1, ge=1e-4, le=1)
    gamma: float = Field(default=1.0, ge=1, le=5)
    photons: float | None = Field(default=2000.0, ge=0.01, le=1e7)
    read: float = Field(default=0.002, ge=0, le=1)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        levels = (np.arange(256) / 255) ** self.gamma
        dark = (self.gain * decoded(levels)).astype(np.float32)[checked(image, self.label, SMALLEST)]
        noisy_image = to_srgb(noisy(dark, self.photons, self.read, draw("lowlight")))
        return noisy_image, {"gain": self.gain, "gamma": self.gamma, "photons": self.photons, "read": self.read}
