"""Block DCT coefficients rearranged to channels (AFD, arXiv 2401.01724, Eq. 3), as JPEG orders them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 8
FREQUENCIES = BLOCK * BLOCK
# Full-range BT.601 without the chroma offset, which would only move a DC coefficient.
RGB_TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def zigzag() -> tuple[tuple[int, int], ...]:
    """The 64 (vertical, horizontal) frequencies in JPEG's zig-zag order (ITU-T T.81, figure A.6)."""
    pairs = [(v, u) for v in range(BLOCK) for u in range(BLOCK)]
    return tuple(sorted(pairs, key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1])))


def kernels() -> Tensor:
    """[64, 1, 8, 8]: orthonormal two-dimensional DCT-II bases in zig-zag order, as one convolution's weight."""
    rows = torch.arange(BLOCK, dtype=torch.float64)
    basis = torch.cos(math.pi * rows[:, None] * (rows[None, :] + 0.5) / BLOCK) * math.sqrt(2 / BLOCK)
    basis[0] = math.sqrt(1 / BLOCK)
    return torch.stack([torch.outer(basis[v], basis[u]) for v, u in zigzag()])[:, None].float()


class BlockDct(nn.Module):
    """[B, 3, H, W] RGB in [0, 1] to [B, 192, ceil(H/8), ceil(W/8)]: Y, Cb, Cr, 64 zig-zag coefficients each.

    Sizes that are no multiple of 8 are padded by their last row and column, as a JPEG encoder does."""

    kernels: Tensor
    to_ycbcr: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", kernels(), persistent=False)
        self.register_buffer("to_ycbcr", torch.tensor(RGB_TO_YCBCR), persistent=False)

    def planes(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] RGB to YCbCr, chroma centred at 0, sides padded to multiples of 8."""
        planes = torch.einsum("pc,bchw->bphw", self.to_ycbcr, images)
        height, width = images.shape[-2:]
        return F.pad(planes, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")

    def coefficients(self, planes: Tensor) -> Tensor:
        """[B, P, 8h, 8w] planes to [B, 64 P, h, w]."""
        batch, count, height, width = planes.shape
        single = planes.reshape(batch * count, 1, height, width)
        blocks = F.conv2d(single, self.kernels, stride=BLOCK)
        return blocks.reshape(batch, count * FREQUENCIES, height // BLOCK, width // BLOCK)

    def forward(self, images: Tensor) -> Tensor:
        return self.coefficients(self.planes(images))
