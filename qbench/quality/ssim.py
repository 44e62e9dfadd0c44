"""Structural similarity."""

from __future__ import annotations

import math

from torch import Tensor

from qbench.quality.pictures import blurred

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(pictures: Tensor, clean: Tensor) -> Tensor:
    """Mean SSIM, [B], of levels [B, C, H, W]: over channels, and over the places where the window fits whole.

    Wang et al., Image quality assessment: from error visibility to structural similarity (TIP 2004), equations 13-17:
    Gaussian window of 11x11 pixels and standard deviation 1.5, K1 = 0.01, K2 = 0.03, L = 255, biased moments. NaN for
    pictures with a side below 11 pixels."""
    if min(pictures.shape[-2:]) < WINDOW:
        return pictures.new_full(pictures.shape[:1], math.nan)
    taps = _taps()
    mean, mean_clean = blurred(pictures, taps), blurred(clean, taps)
    variance = blurred(pictures.square(), taps) - mean.square()
    variance_clean = blurred(clean.square(), taps) - mean_clean.square()
    covariance = blurred(pictures * clean, taps) - mean * mean_clean
    likeness = (2 * mean * mean_clean + C1) * (2 * covariance + C2)
    return (likeness / ((mean.square() + mean_clean.square() + C1) * (variance + variance_clean + C2))).mean((1, 2, 3))


def _taps() -> tuple[float, ...]:
    weights = [math.exp(-((k - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for k in range(WINDOW)]
    return tuple(weight / sum(weights) for weight in weights)
