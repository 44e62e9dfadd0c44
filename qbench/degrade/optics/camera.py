"""A simple camera: from sRGB back to raw values, noise on a Bayer mosaic, and a rendering to sRGB again.

After Brooks et al., Unprocessing Images for Learned Raw Denoising (CVPR 2019): gamma, colour matrix and white balance
are undone in the opposite order of the rendering; noise is Poisson (photons) plus Gaussian (read-out) on raw values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.optics.srgb import Light, to_linear, to_srgb
from qbench.vocabulary import Image

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]


@dataclass(frozen=True)
class Colour:
    """White balance and colour matrix: linear sRGB = matrix · (gains * raw). Each row of the matrix adds up to 1.

    Off the diagonal nothing is positive, so that raw values of colours inside sRGB stay inside [0, 1]."""

    gains: Triple
    matrix: Matrix


@dataclass(frozen=True)
class Camera:
    """A sensor and its rendering."""

    sensor: Colour
    """How the sensor sees the scene."""
    rendering: Colour
    """What the rendering takes the sensor for; another one gives a colour cast."""
    photons: float
    """Electrons of a raw value of 1."""
    read: float
    """Standard deviation of the read-out noise, in raw values."""
    gamma: float | None = None
    """The exponent of the tone curve; None is the sRGB curve."""
    jpeg: int | None = None
    """The JPEG quality of what the camera saves; None saves as it is."""


def unprocess(image: Image, camera: Camera) -> Light:
    """Raw red, green and blue values of every pixel, [H, W, 3] in [0, 1], from uint8 sRGB."""
    import cv2

    return np.asarray(cv2.transform(to_linear(image), _into_raw(camera.sensor)), np.float32)


def render(raw: Light, camera: Camera) -> Image:
    """uint8 [H, W, 3] from raw red, green and blue values: white balance, colour matrix and tone curve."""
    import cv2

    balanced = np.asarray(camera.rendering.matrix) * np.asarray(camera.rendering.gains)
    return to_srgb(np.asarray(cv2.transform(raw, balanced.astype(np.float32))), camera.gamma)


@cache
def _into_raw(colour: Colour) -> NDArray[np.float32]:
    inverse = np.linalg.inv(np.asarray(colour.matrix)) / np.asarray(colour.gains)[:, None]
    return np.asarray(inverse, np.float32)


def mosaic(raw: Light) -> Light:
    """One value a pixel under an RGGB filter, [H, W], of raw [H, W, 3]; red is at [0, 0]."""
    values = raw[..., 1].copy()
    values[0::2, 0::2] = raw[0::2, 0::2, 0]
    values[1::2, 1::2] = raw[1::2, 1::2, 2]
    return values


def demosaic(values: Light) -> Light:
    """Red, green and blue of every pixel of an RGGB mosaic: the mean of the nearest samples of a colour (bilinear).

    Mirroring about the outermost pixel keeps the pattern, so that borders are interpolated as the middle is."""
    import cv2

    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
    square = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
    red, green, blue = np.zeros_like(values), values.copy(), np.zeros_like(values)
    red[0::2, 0::2] = values[0::2, 0::2]
    blue[1::2, 1::2] = values[1::2, 1::2]
    green[0::2, 0::2] = green[1::2, 1::2] = 0
    pairs = ((red, square), (green, cross), (blue, square))
    return np.dstack([cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT_101) for plane, kernel in pairs])


def expose(values: Light, photons: float, read: float, rng: np.random.Generator) -> Light:
    """`values` as a sensor reads them: Poisson(values · photons) / photons + N(0, read²); not clipped.

    The variance is values / photons + read²."""
    counts = rng.poisson(np.maximum(values, 0) * np.float32(photons)).astype(np.float32)
    return counts / np.float32(photons) + np.float32(read) * rng.standard_normal(values.shape, np.float32)
