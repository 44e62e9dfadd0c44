"""Statistics of natural scenes: normalised luminance, and the fits that BRISQUE and NIQE share.

Mittal, Moorthy and Bovik, No-reference image quality assessment in the spatial domain (TIP 2012), section III."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln
from torch import Tensor
from torch.nn import functional

from qbench.quality.pictures import blurred, weighted

WINDOW, SIGMA = 7, 7 / 6
STEP, LOWEST, HIGHEST = 0.001, 0.2, 10.0
SHIFTS = ((0, 1), (1, 0), (1, 1), (-1, 1))
"""Neighbours by (down, right): horizontal, vertical, main and secondary diagonal, in the papers' order."""


def normalised(grey: Tensor, border: str) -> Tensor:
    """Mean-subtracted contrast-normalised luminance of grey levels [B, 1, H, W] (equations 1-3, C = 1).

    `border`: how the picture goes on outside, `constant` (zeros) or `replicate`."""
    mean, deviation = _moments(grey, border)
    return (grey - mean) / (deviation + 1)


def local_deviation(grey: Tensor, border: str) -> Tensor:
    """Standard deviation of grey levels [B, 1, H, W] around each pixel, under the same window."""
    return _moments(grey, border)[1]


def _moments(grey: Tensor, border: str) -> tuple[Tensor, Tensor]:
    padded = functional.pad(grey, (WINDOW // 2,) * 4, mode=border)
    mean = blurred(padded, _taps())
    return mean, (blurred(padded.square(), _taps()) - mean.square()).abs().sqrt()


@cache
def _taps() -> tuple[float, ...]:
    """One side of the window. The references hold the window in single precision, where its sum is 1 + 1e-8: a flat
    place gets one sign from that, and none from rounding errors that the fits would take for structure. So here."""
    weights = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    held = np.outer(weights, weights).astype(np.float32).sum(dtype=np.float64)
    return tuple(float(weight) for weight in weights * np.sqrt(held))


def halved(grey: Tensor) -> Tensor:
    """[B, 1, H, W] at half the size (odd sides rounded up): MATLAB's `imresize(grey, 0.5)`, bicubic, antialiased."""
    return _halved(_halved(grey, -2), -1)


def _halved(grey: Tensor, dim: int) -> Tensor:
    """Eight taps around each pair of pixels; outside the picture lies its mirror image, edge pixels doubled."""
    size = grey.shape[dim]
    places = torch.arange(-3, 2 * math.ceil(size / 2) + 3, device=grey.device) % (2 * size)
    mirrored = torch.where(places < size, places, 2 * size - 1 - places)
    return weighted(grey.index_select(dim, mirrored), _cubic_taps(), dim, stride=2)


@cache
def _cubic_taps() -> tuple[float, ...]:
    """The cubic kernel (Keys, a = -1/2), stretched by two, at -1.75, -1.25 ... 1.75; they sum to one."""

    def cubic(x: float) -> float:
        return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2

    return tuple(cubic(abs(k / 2 - 1.75)) / 2 for k in range(8))


def shape_of(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Generalised Gaussian fit of each block, [N, H, W] to shape [N] and variance [N] (equations 4-6)."""
    square = blocks.square().mean(dim=(1, 2))
    ratio = blocks.abs().mean(dim=(1, 2)).square() / square
    return _nearest_shape(1 / ratio, inverse=True), square


def sides_of(products: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Asymmetric generalised Gaussian fit of each block, [N, H, W] to shape and the standard deviations of the left
    and of the right side, each [N] (equations 9-13; Lasmar et al., ICIP 2009). NaN where a side is empty; the shape is
    then the lowest, as the references' search finds it."""
    left = _root_mean_square(products, products < 0)
    right = _root_mean_square(products, products > 0)
    between = left / right
    ratio = products.abs().mean(dim=(1, 2)).square() / products.square().mean(dim=(1, 2))
    generalised = ratio * (between**3 + 1) * (between + 1) / (between.square() + 1).square()
    return _nearest_shape(generalised, inverse=False), left, right


def _root_mean_square(values: Tensor, where: Tensor) -> Tensor:
    return ((values * where).square().sum(dim=(1, 2)) / where.sum(dim=(1, 2))).sqrt()


def neighbours(blocks: Tensor, down: int, right: int) -> Tensor:
    """Products of each value with the one `down` rows above and `right` columns before it, around the edges."""
    return blocks * blocks.roll((down, right), dims=(1, 2))


def gamma_ratio(shape: Tensor, above: tuple[float, ...], below: tuple[float, ...]) -> Tensor:
    """Product of the gamma functions at `a / shape` for a in `above`, over those for a in `below`."""
    logarithm = sum((torch.lgamma(a / shape) for a in above), torch.zeros_like(shape))
    return (logarithm - sum((torch.lgamma(a / shape) for a in below), torch.zeros_like(shape))).exp()


def _nearest_shape(ratio: Tensor, *, inverse: bool) -> Tensor:
    """The shape on the grid 0.2, 0.201 ... 10 whose moment ratio is nearest; the lowest for NaN."""
    shapes, table = (torch.from_numpy(values).to(ratio.device) for values in _tables(inverse))
    if inverse:
        upper = len(table) - torch.searchsorted(table.flip(0).contiguous(), ratio.contiguous())
    else:
        upper = torch.searchsorted(table, ratio.contiguous())
    upper = upper.clamp(1, len(table) - 1)
    nearer = (ratio - table[upper - 1]).abs() <= (ratio - table[upper]).abs()
    place = torch.where(ratio.isnan(), 0, torch.where(nearer, upper - 1, upper))
    return shapes[place]


@cache
def _tables(inverse: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapes and their `G(2/a)^2 / (G(1/a) G(3/a))`, which rises with a, or the inverse of it."""
    shapes = np.arange(LOWEST, HIGHEST + STEP, STEP)
    ratio = np.exp(2 * gammaln(2 / shapes) - gammaln(1 / shapes) - gammaln(3 / shapes))
    return shapes, 1 / ratio if inverse else ratio
