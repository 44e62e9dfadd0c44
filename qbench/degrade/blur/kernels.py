"""Blur kernels: paths of motion, disks of defocus, Gaussians. All are float32, of odd sides, centred, of sum 1."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float32]
_PER_PIXEL = 32
"""Samples of a path along one pixel of its length."""
_FINE = 16
"""Samples across a pixel of a disk's edge."""


@lru_cache(maxsize=256)
def motion_kernel(length: float, angle: float, curvature: float = 0.0) -> Kernel:
    """Light along an arc of `length` pixels, evenly, as of a camera that moves at a constant speed.

    The path's middle has the direction `angle` (degrees, from the x axis, counter-clockwise as seen); on its way it
    turns by `curvature` degrees in all (0: a straight line). Its centroid is the kernel's centre. Each sample is
    shared out bilinearly, so that the second moment along a straight line is length²/12, plus 1/6 for the
    sharing."""
    count = max(2, int(np.ceil(_PER_PIXEL * length)))
    time = (np.arange(count) + 0.5) / count - 0.5
    turn = np.deg2rad(curvature)
    path = length * (time if abs(turn) < 1e-6 else np.expm1(1j * turn * time) / (1j * turn))
    path = path * np.exp(1j * np.deg2rad(angle))
    path = path - path.mean()
    return _splat(path.real, -path.imag)


def _splat(x: NDArray[np.float64], y: NDArray[np.float64]) -> Kernel:
    """Points around (0, 0), shared out to the four pixels around each."""
    reach = int(np.floor(max(np.abs(x).max(), np.abs(y).max()))) + 1
    side = 2 * reach + 1
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    kernel = np.zeros((side + 1, side + 1))
    for dy, dx in np.ndindex(2, 2):
        share = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
        np.add.at(kernel, (top + reach + dy, left + reach + dx), share)
    return (kernel[:side, :side] / x.size).astype(np.float32)


@lru_cache(maxsize=256)
def disk_kernel(radius: float) -> Kernel:
    """A uniform disk; the pixels of its edge count by the share of them that lies inside (to 1/256)."""
    reach = int(np.ceil(radius + 0.5)) - 1
    side = 2 * reach + 1
    line = (np.arange(side * _FINE) + 0.5) / _FINE - side / 2
    inside = (line[:, None] ** 2 + line**2 <= radius * radius).astype(np.float64)
    share = inside.reshape(side, _FINE, side, _FINE).sum(axis=(1, 3))
    return np.asarray(share / share.sum(), np.float32)


@lru_cache(maxsize=256)
def gaussian_line(sigma: float) -> Kernel:
    """One axis of a Gaussian, sampled at whole pixels out to 4 sigma: [side]."""
    reach = int(np.ceil(4 * sigma))
    values = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(values / values.sum(), np.float32)
