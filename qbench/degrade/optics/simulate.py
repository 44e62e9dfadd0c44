"""A picture through a lens and its camera."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from qbench.degrade.jpeg import jpeg
from qbench.degrade.optics.blur import kernel_spectra, varying_blur
from qbench.degrade.optics.camera import demosaic, expose, mosaic, render, unprocess
from qbench.degrade.optics.lenses import Lens, aspect_of, psf_field
from qbench.degrade.optics.srgb import Light
from qbench.vocabulary import Image

NODES = 6
"""Kernels along each side of the picture."""
_KEEP = 400 * 400
"""Pixels of the largest pictures whose kernels' transforms are kept: 30 MB, for a third of the time."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def photograph(image: Image, lens: Lens, strength: float, rng: np.random.Generator | None) -> Image:
    """`image`, uint8 [H, W, 3] that fills the lens's field, as the lens and its camera give it.

    Raw values, one kernel for each place and colour, relative illumination, a Bayer mosaic with noise, bilinear
    demosaicing, rendering, and the camera's JPEG. Without `rng` there is no noise. A grey [H, W] picture is taken as
    neutral colours, and what comes out is its luma (Rec. 601)."""
    if image.ndim == 2:
        colours = photograph(np.repeat(image[..., None], 3, axis=2), lens, strength, rng)
        luma: Image = np.rint(colours @ _LUMA).astype(np.uint8)
        return luma
    height, width = image.shape[:2]
    kernels = psf_field(lens, strength, aspect_of(height, width), NODES)
    spectra = _spectra(lens, strength, height, width) if height * width <= _KEEP else None
    raw = varying_blur(unprocess(image, lens.camera), kernels, spectra)
    raw *= illumination(lens.falloff, height, width)[..., None]
    values = mosaic(raw)
    if rng is not None:
        values = expose(values, lens.camera.photons, lens.camera.read, rng)
    result = render(demosaic(np.clip(values, 0, 1)), lens.camera)
    return result if lens.camera.jpeg is None else jpeg(result, lens.camera.jpeg)[0]


@lru_cache(maxsize=8)
def illumination(falloff: float, height: int, width: int) -> Light:
    """Relative illumination [H, W]: 1 in the centre, 1 - falloff in the corners, quadratic in between."""
    y, x = np.arange(height) + 0.5 - height / 2, np.arange(width) + 0.5 - width / 2
    square = (y[:, None] ** 2 + x**2) / (height**2 / 4 + width**2 / 4)
    return np.asarray(1 - falloff * square, np.float32)


@lru_cache(maxsize=8)
def _spectra(lens: Lens, strength: float, height: int, width: int) -> Light:
    return kernel_spectra(psf_field(lens, strength, aspect_of(height, width), NODES), height, width)
