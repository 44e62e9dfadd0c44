"""The observation that AFD builds on (arXiv 2401.01724, section III-A, figure 4): the further JPEG turns the DCT
coefficients of a block (DA), the further it turns the features of an early layer (FA).

    python benchmarks/afd_drift.py [--photos FOLDER] [--model NAME] [--site D2] [--json FILE]

DA is the angle between the 192 coefficients of a block before and after compression, FA that between the means of its
features; how the paper makes one vector of a block's features is not told. 10,000 blocks of 200 pictures, as in the
paper; the built-in scenes and classifier unless others are named. Half a minute of one core."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F

from qbench import registry
from qbench.data.decoding import decode
from qbench.data.files import pictures
from qbench.data.scenes import scene
from qbench.degrade.jpeg import Jpeg
from qbench.draws import Draw, keyed
from qbench.methods.afd.dct import BLOCK, BlockDct
from qbench.models.base import Cut

QUALITIES = (60, 50, 25, 10)
PICTURES, BLOCKS = 200, 50
BIN = 4.0
"""Degrees of DA in a point of the curve."""
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Angles:
    """[pictures, blocks] in degrees."""

    da: NDArray[np.float64]
    fa: NDArray[np.float64]


def angle(first: Tensor, second: Tensor) -> Tensor:
    """Degrees between vectors along the second dimension; 0 where either is zero."""
    cosine = F.cosine_similarity(first.double(), second.double(), dim=1, eps=1e-12)
    known = (first.norm(dim=1) > 0) & (second.norm(dim=1) > 0)
    return torch.where(known, torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))), 0.0)


def block_features(cut: Cut, images: Tensor, stride: int) -> Tensor:
    """[B, C, blocks down, blocks across]: the mean of the features of every block."""
    return F.avg_pool2d(cut.front(images), BLOCK // stride)


@torch.inference_mode()
def angles(found: Sequence[Image], quality: int, cut: Cut, stride: int, blocks: int = BLOCKS) -> Angles:
    """Angles of blocks drawn from each picture, between it and its compressed twin."""
    dct, condition = BlockDct(), Jpeg(quality=quality)
    da, fa = [], []
    for number, picture in enumerate(found):
        compressed, _ = condition.apply(picture, Draw(0, str(number)))
        clean, degraded = (
            torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() / 255 for each in (picture, compressed)
        )
        turned = angle(dct(clean), dct(degraded)), angle(*(block_features(cut, x, stride) for x in (clean, degraded)))
        rows, columns = (min(a, b) for a, b in zip(turned[0].shape[1:], turned[1].shape[1:], strict=True))
        chosen = keyed(0, "afd-drift", 0, str(number)).permutation(rows * columns)[:blocks]
        kept = [each[0, :rows, :columns].flatten().numpy()[chosen] for each in turned]
        da.append(kept[0])
        fa.append(kept[1])
    return Angles(np.stack(da), np.stack(fa))


def summary(found: Angles, resamples: int = 500) -> dict[str, Any]:
    """Means, the rank correlation with its interval over pictures, and the mean FA for each bin of DA."""
    generator, pictures_ = keyed(0, "afd-drift/bootstrap", 0, ""), len(found.da)
    drawn = [generator.integers(0, pictures_, pictures_) for _ in range(resamples)]
    rho = [float(spearmanr(found.da[rows].ravel(), found.fa[rows].ravel()).statistic) for rows in drawn]
    low, high = np.quantile(rho, [0.025, 0.975])
    bins = np.floor(found.da / BIN).astype(int)
    curve = [
        {"da": BIN * (b + 0.5), "fa": round(float(found.fa[bins == b].mean()), 2), "blocks": int((bins == b).sum())}
        for b in range(int(bins.max()) + 1)
        if (bins == b).sum() >= 20
    ]
    return {
        "blocks": found.da.size,
        "mean DA": round(float(found.da.mean()), 2),
        "mean FA": round(float(found.fa.mean()), 2),
        "rank correlation": round(float(spearmanr(found.da.ravel(), found.fa.ravel()).statistic), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
        "curve": curve,
    }


def benchmark(found: Sequence[Image], cut: Cut, blocks: int = BLOCKS, resamples: int = 500) -> dict[str, Any]:
    """By quality. Raises ValueError for a site whose stride does not divide a block."""
    stride = cut.geometry().stride
    if BLOCK % stride:
        raise ValueError(f"the site has stride {stride:g}, which does not divide blocks of {BLOCK}")
    return {str(quality): summary(angles(found, quality, cut, int(stride), blocks), resamples) for quality in QUALITIES}


def whole_blocks(picture: Image) -> Image:
    height, width = (side // BLOCK * BLOCK for side in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width])


def table(result: dict[str, Any]) -> str:
    head = "| quality | mean DA | mean FA | rank correlation of DA and FA |\n|---|---|---|---|\n"
    rows = [
        f"| {quality} | {row['mean DA']}° | {row['mean FA']}° | {row['rank correlation']} {row['interval']} |"
        for quality, row in result.items()
    ]
    return head + "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of pictures in place of the scenes")
    parser.add_argument("--model", default="builtin:scenes")
    parser.add_argument("--site", default="D2")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    entry = registry.get("model", given.model)
    first = [given.model.split(":", 1)[1]] if entry.name.endswith(":*") else []
    cut = entry.target(*first).build().cut(given.site)
    if given.photos:
        found = [whole_blocks(decode(file)) for file in pictures(given.photos, deep=True)[:PICTURES]]
    else:
        found = [scene("test", index).image for index in range(PICTURES)]
    result = benchmark(found, cut)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
