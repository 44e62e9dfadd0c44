"""Haze by the scattering model, and depths to see it with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.picture import checked
from qbench.errors import ConditionError
from qbench.vocabulary import Image

Depth = NDArray[np.float32]
_OCTAVES = ((2, 1.0), (4, 0.5), (8, 0.25), (16, 0.125))
"""Cells across the picture, and amplitude, of each layer of relief."""
_RELIEF = 0.3
_NEAREST = 0.08


def haze(image: Image, depth: Depth, beta: float, airlight: float) -> Image:
    """I = J t + A (1 - t) with t = exp(-beta · depth), on pixel values: Koschmieder's law as RESIDE applies it
    (Li et al., IEEE TIP 28:492, 2019, equations 1 and 2).

    `image` is uint8 [H, W, 3] or [H, W]; `depth` is [H, W], finite and not negative, in units that make beta · depth
    an optical thickness; `airlight` is the grey of the air, 0 to 1 (white). Raises ConditionError otherwise."""
    checked(image, "haze")
    depth = np.asarray(depth, np.float32)
    if depth.shape != image.shape[:2] or not np.isfinite(depth).all() or depth.min() < 0:
        raise ConditionError(f"haze takes a finite depth of {list(image.shape[:2])} that is not negative")
    if not (0 <= beta < np.inf and 0 <= airlight <= 1):
        raise ConditionError(f"haze takes beta >= 0 and an airlight in 0..1, not {beta:g} and {airlight:g}")
    clear = np.exp(np.float32(-beta) * depth)
    if image.ndim == 3:
        clear = clear[..., None]
    air = np.float32(255 * airlight)
    seen: Image = np.rint((image - air) * clear + air).astype(np.uint8)
    return seen


def procedural_depth(height: int, width: int, rng: np.random.Generator) -> Depth:
    """A depth [H, W] in (0, 1], 1 the farthest: ground that runs to a horizon in the upper half, and a smooth relief.

    On a plane, depth falls as one over the distance below the horizon; relief is noise of four octaves, bicubic."""
    horizon = rng.uniform(0.15, 0.45)
    below = np.clip((np.arange(height) + 0.5) / height - horizon, 0, None) / (1 - horizon)
    plane = 1 / (1 + 3 * below)
    depth = plane[:, None] + _RELIEF * _relief(height, width, rng)
    return np.clip(depth, _NEAREST, 1).astype(np.float32)


def _relief(height: int, width: int, rng: np.random.Generator) -> Depth:
    """Smooth noise, about -1 to 1; every layer starts in its own place of the draw, whatever the picture's size."""
    import cv2

    total = np.zeros((height, width), np.float32)
    for cells, amplitude in _OCTAVES:
        grid = rng.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
        total += np.float32(amplitude) * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(total / np.float32(sum(amplitude for _, amplitude in _OCTAVES)) * np.float32(1.6))
