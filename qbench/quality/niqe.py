"""NIQE: how far the statistics of a picture's blocks lie from those of pristine pictures.

Mittal, Soundararajan and Bovik, Making a "completely blind" image quality analyzer (SPL 2013)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from qbench.errors import QbenchError
from qbench.quality.nss import SHIFTS, gamma_ratio, halved, local_deviation, neighbours, normalised, sides_of
from qbench.quality.pictures import grey_by_product
from qbench.quality.pristine import Pristine

FEATURES = 36
SHARP = 0.75
"""Of a pristine picture, the blocks that are at least this share as sharp as its sharpest are fitted (section II B)."""


def niqe(pictures: Tensor, pristine: Pristine) -> Tensor:
    """Distance from the pristine model, [B], of levels [B, 3, H, W]; lower is better (equation 10).

    Blocks that do not fit whole at the right and at the bottom are left out. The covariance of a single block is zero,
    as in pyiqa. NaN for a picture without a block that is not flat."""
    mean, covariance = (
        torch.from_numpy(part).to(pictures.device, pictures.dtype) for part in (pristine.mean, pristine.covariance)
    )
    if min(pictures.shape[-2:]) < pristine.block:
        return pictures.new_full(pictures.shape[:1], torch.nan)
    blocks = block_features(grey_by_product(pictures), pristine.block)
    return torch.stack([_distance(features, mean, covariance) for features in blocks])


def _distance(features: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Of one picture's [blocks, 36]; as in the reference a feature's mean takes every block where it is defined, the
    covariance only the blocks where all are."""
    whole = features[~features.isnan().any(dim=1)]
    if len(whole) < 1:
        return features.new_tensor(torch.nan)
    apart = features.nanmean(dim=0) - mean
    picture_covariance = whole.T.cov(correction=min(len(whole) - 1, 1))
    inverse: Tensor = torch.linalg.pinv((covariance + picture_covariance) / 2)
    return (apart @ inverse @ apart).clamp(min=0).sqrt()


def block_features(picture: Tensor, block: int) -> Tensor:
    """Grey levels [B, 1, H, W] to the features of whole blocks, [B, blocks, 36] (equations 2-8), at two scales."""
    picture = _whole_blocks(picture, block)
    scales = []
    for scale, side in ((picture, block), (_halved(picture), block // 2)):
        blocks = _blocks(normalised(scale, "replicate"), side)
        scales.append(_features(blocks.flatten(0, 1)).reshape(*blocks.shape[:2], FEATURES // 2))
    return torch.cat(scales, dim=2)


def _halved(picture: Tensor) -> Tensor:
    """In single precision and as a share of 255, as pyiqa does: in flat places the signs of the next step are those of
    its rounding errors, and they count as structure."""
    return halved((picture / 255).float()).double() * 255


def _whole_blocks(picture: Tensor, block: int) -> Tensor:
    height, width = (side // block * block for side in picture.shape[-2:])
    return picture[..., :height, :width]


def _blocks(picture: Tensor, side: int) -> Tensor:
    """[B, 1, H, W] to [B, blocks, side, side]."""
    count, _, height, width = picture.shape
    rows = picture.reshape(count, height // side, side, width // side, side)
    return rows.transpose(2, 3).flatten(1, 2)


def _features(blocks: Tensor) -> Tensor:
    """[N, H, W] to the 18 features of one scale, [N, 18]."""
    shape, left, right = _spreads(blocks)
    features = [shape, (left + right) / 2]
    for down, beside in SHIFTS:
        shape, left, right = _spreads(neighbours(blocks, down, beside))
        features += [shape, (right - left) * gamma_ratio(shape, (2,), (1,)), left, right]
    return torch.stack(features, dim=1)


def _spreads(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shape, and the left and right scale parameters (beta of equation 4)."""
    shape, left, right = sides_of(values)
    scale = gamma_ratio(shape, (1,), (3,)).sqrt()
    return shape, left * scale, right * scale


def fit(pictures: Iterable[Tensor], block: int) -> Pristine:
    """A pristine model of pictures (levels [1, 3, H, W]) of one's own, never to be quoted as NIQE.

    Of each picture only its sharp blocks count. Raises QbenchError where they are too few for a covariance."""
    kept = []
    for picture in pictures:
        features = block_features(grey_by_product(picture), block)[0]
        sharpness = block_sharpness(grey_by_product(picture), block)[0]
        sharp = (sharpness >= SHARP * sharpness.max()) & ~features.isnan().any(dim=1)
        kept.append(features[sharp])
    rows = torch.cat(kept) if kept else torch.zeros(0, FEATURES)
    if len(rows) <= FEATURES:
        raise QbenchError(f"{len(rows)} sharp blocks are too few to fit {FEATURES} features; give more pictures")
    return Pristine(rows.mean(dim=0).cpu().numpy(), rows.T.cov().cpu().numpy(), block)


def block_sharpness(picture: Tensor, block: int) -> Tensor:
    """Mean local standard deviation of each block, [B, blocks] (equation 9), of grey levels [B, 1, H, W]."""
    picture = _whole_blocks(picture, block)
    return _blocks(local_deviation(picture, "replicate"), block).mean(dim=(2, 3))
