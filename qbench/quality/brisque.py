"""The 36 features of BRISQUE: no weights, no score, only the statistics that describe a picture's quality."""

from __future__ import annotations

import torch
from torch import Tensor

from qbench.quality.nss import SHIFTS, gamma_ratio, halved, neighbours, normalised, shape_of, sides_of
from qbench.quality.pictures import grey, levels

FEATURES = 36


def brisque_features(images: Tensor) -> Tensor:
    """[B, 3, H, W] in [0, 1] to BRISQUE's features [B, 36], float32, without gradients.

    For each of two scales: shape and variance of the normalised luminance, then for its products with the horizontal,
    vertical, main and secondary diagonal neighbour the shape, mean, left variance and right variance (Mittal, Moorthy
    and Bovik, TIP 2012, table I). What a flat picture leaves undefined is zero. The second scale is MATLAB's, whose odd
    sides are rounded up; piq cuts them off, and its last 18 features differ there. Below 32 pixels a side that scale
    says little. Meant for `Context.once("brisque", brisque_features)`: one call a batch, whoever asks."""
    with torch.no_grad():
        picture = grey(levels(images))
        first, second = _statistics(picture), _statistics(halved(picture))
        features = torch.nan_to_num(torch.cat([first, second], dim=1), nan=0.0, posinf=0.0, neginf=0.0)
    return features.float().to(images.device)


def _statistics(picture: Tensor) -> Tensor:
    """[B, 1, H, W] to the 18 features of one scale, [B, 18]."""
    blocks = normalised(picture, "constant")[:, 0]
    features = [*shape_of(blocks)]
    for down, right in SHIFTS:
        shape, left, beyond = sides_of(neighbours(blocks, down, right))
        mean = (beyond - left) * gamma_ratio(shape, (2, 2), (1, 3)).sqrt()
        features += [shape, mean, left.square(), beyond.square()]
    return torch.stack(features, dim=1)
