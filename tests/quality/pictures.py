"""Pictures that the tests of measures share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]


def noise(seed: int, height: int = 60, width: int = 70) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def waves(height: int = 96, width: int = 128) -> Picture:
    """Smooth waves of three colours with grain: something between a photograph and nothing."""
    rows, columns = np.mgrid[:height, :width]
    drawn = np.sin(rows / 7) + np.cos(columns / 11 + rows / 23) + np.sin((rows + 2 * columns) / 5) / 2
    grain = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    return np.clip(128 + 40 * drawn[..., None] * [1, 0.8, 0.6] + grain, 0, 255).round().astype(np.uint8)


def constant(level: int, height: int = 60, width: int = 70) -> Picture:
    return np.full((height, width, 3), level, dtype=np.uint8)


def moved(picture: Picture) -> Picture:
    """One pixel to the right, the left edge repeated."""
    return np.concatenate([picture[:, :1], picture[:, :-1]], axis=1)


def tensor(*pictures: Picture) -> Tensor:
    """[B, 3, H, W] in [0, 1], as models see pictures."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
