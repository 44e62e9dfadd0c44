"""What FDE-Net is given of each 8x8 block: its DCT coefficients, or what the paper's ablations put in their place."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from qbench.draws import keyed
from qbench.methods.afd import FdeInput
from qbench.methods.afd.dct import BLOCK, FREQUENCIES, BlockDct

NUMBERS = 3 * FREQUENCIES


def block_inputs(kind: FdeInput, dct: BlockDct, images: Tensor, planes: Tensor) -> Tensor:
    """[B, 3, H, W] RGB in [0, 1], and their padded YCbCr planes, to the 192 numbers of each block, [B, 192, h, w].

    `dct`: coefficients, each frequency a channel (arXiv 2401.01724, section III-B). `pixels`: the block's own RGB
    values (Table II, "image block"). `shuffled`: the coefficients in an order drawn anew for each block (Table III);
    one order for all blocks would be no ablation, since a 1x1 convolution learns it."""
    if kind == "pixels":
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
        return F.pixel_unshuffle(padded, BLOCK)
    coefficients = dct.coefficients(planes)
    if kind == "shuffled":
        order = orders(*coefficients.shape[-2:]).to(images.device)
        coefficients = coefficients.gather(1, order.expand(len(coefficients), -1, -1, -1))
    return coefficients


@lru_cache(maxsize=8)
def orders(rows: int, columns: int) -> Tensor:
    """[1, 192, rows, columns]: a permutation for each place of a block, drawn by its place alone."""
    drawn = [
        [keyed(0, "afd/shuffled", row, str(column)).permutation(NUMBERS) for column in range(columns)]
        for row in range(rows)
    ]
    return torch.from_numpy(np.moveaxis(np.array(drawn), -1, 0).copy())[None]
