"""Point-spread functions by Fourier optics: |FFT(pupil · exp(2πi W/λ))|², gathered into pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.optics.wavefront import REFERENCE, WAVELENGTHS, Wavefront

Kernel = NDArray[np.float32]
FINE = 5
"""Samples across a pixel. Odd, so that a pixel has a sample in its centre."""
GRID = 240
"""Samples across the transform: 48 pixels."""
SIZES = (7, 15, 23, 31, 39, 47)
"""Sides of the kernels, in pixels."""
KEPT = 0.99
"""The share of the light that a kernel holds at least, up to the largest size."""


def fine_psf(
    wavefront: Wavefront, colour: int, field: tuple[float, float], fnumber: float, pitch: float
) -> NDArray[np.float64]:
    """The intensity on a grid of 240 x 240 samples, a fifth of a pixel apart, of sum 1; its centre is [120, 120].

    `pitch` is the side of a pixel in µm. Goodman, Introduction to Fourier Optics, section 6.1: a sample's distance is
    λ·fnumber·(pupil's share of the grid), which gives the pupil its width in samples."""
    wavelength = WAVELENGTHS[colour]
    radius = 0.5 * GRID * pitch / (FINE * wavelength * fnumber)
    reach = int(np.ceil(radius + 0.5))
    if reach >= GRID / 2:
        raise ValueError(f"pixels of {pitch} µm are too coarse for f/{fnumber}: the pupil does not fit the grid")
    steps = np.arange(-reach, reach + 1)
    y, x = np.meshgrid(steps / radius, steps / radius, indexing="ij")
    inside = np.clip((1 - np.hypot(x, y)) * radius + 0.5, 0, 1)
    waves = wavefront.error(colour, field, x, y) * (REFERENCE / wavelength)
    pupil = np.zeros((GRID, GRID), np.complex64)
    pupil[np.ix_(steps % GRID, steps % GRID)] += (inside * np.exp(2j * np.pi * waves)).astype(np.complex64)
    intensity = np.abs(np.fft.fftshift(np.fft.fft2(pupil))).astype(np.float64) ** 2
    return np.asarray(intensity / intensity.sum())


def pixel_psf(
    wavefront: Wavefront, colour: int, field: tuple[float, float], fnumber: float, pitch: float
) -> NDArray[np.float64]:
    """The light that each of 47 x 47 pixels collects; its sum is the share that falls on them."""
    side = SIZES[-1] * FINE
    start = GRID // 2 - side // 2
    middle = fine_psf(wavefront, colour, field, fnumber, pitch)[start : start + side, start : start + side]
    return np.asarray(middle.reshape(SIZES[-1], FINE, SIZES[-1], FINE).sum(axis=(1, 3)))


def trimmed(psfs: NDArray[np.float64]) -> Kernel:
    """Kernels [..., size, size] of sum 1 from [..., 47, 47], of the smallest size that keeps 99 % of each."""
    for size in SIZES:
        edge = (SIZES[-1] - size) // 2
        inner = psfs[..., edge : edge + size, edge : edge + size]
        if size == SIZES[-1] or inner.sum(axis=(-2, -1)).min() >= KEPT:
            break
    return np.asarray(inner / inner.sum(axis=(-2, -1), keepdims=True), dtype=np.float32)


def rms_radius(kernel: NDArray[np.floating]) -> float:
    """The rms distance of a kernel's light from its centroid, in pixels."""
    weights = np.asarray(kernel, np.float64) / kernel.sum(dtype=np.float64)
    rows, columns = np.indices(kernel.shape)
    y, x = (weights * rows).sum(), (weights * columns).sum()
    return float(np.sqrt((weights * ((rows - y) ** 2 + (columns - x) ** 2)).sum()))
