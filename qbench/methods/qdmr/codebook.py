"""The domain-mixing codebook of QDMR (arXiv 2403.10012, equations 1-3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.qdmr.shape import Shape

COMMITMENT = 0.25
ROWS = 16_384
"""Places whose distances to all codes are held at once: 64 MiB with 1,024 codes."""


@dataclass(frozen=True)
class Codes:
    """What the codebook made of features."""

    values: Tensor
    """[B, D, h, w]: the nearest codes. Gradients pass on to what was quantised as if nothing had happened."""
    indices: Tensor
    """[B, h, w]: which code stands where."""
    loss: Tensor
    """[B]: |sg(z) - e|² + 0.25 |z - sg(e)|², each the mean over a picture's numbers."""


class Codebook(nn.Module):
    """`codes` vectors [K, D]; a feature becomes the nearest of them by squared distance."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(codes, width))

    def nearest(self, vectors: Tensor) -> Tensor:
        """[N, D] to the indices [N] of the nearest codes, the first of equals. No matrix of zeros and ones is made."""
        squares = self.weight.square().sum(1)
        codes = [torch.addmm(squares, part, self.weight.t(), alpha=-2).argmin(1) for part in torch.split(vectors, ROWS)]
        return torch.cat(codes)

    def forward(self, z: Tensor) -> Codes:
        """z [B, D, h, w], in float32 whatever the caller's precision: the nearest code must not hang on rounding."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            batch, _, height, width = z.shape
            with torch.no_grad():
                indices = self.nearest(z.permute(0, 2, 3, 1).flatten(0, 2)).view(batch, height, width)
            chosen = F.embedding(indices, self.weight).permute(0, 3, 1, 2)
            loss = _per_picture(chosen - z.detach()) + COMMITMENT * _per_picture(z - chosen.detach())
            return Codes(z + (chosen - z).detach(), indices, loss)


class Quantiser(nn.Module):
    """f^q = Conv3x3(Quant(Conv1x1(f))) (equation 3), between features of the networks' width.

    `standardised`, which is not published: each channel of what is searched has mean 0 and variance 1 over a batch, and
    by the figures kept from training when the network runs, so that features cannot shrink into one code's cell
    (Łańcucki et al., Robust Training of Vector Quantized Bottleneck Models, IJCNN 2020, arXiv 2005.08520)."""

    def __init__(self, shape: Shape, *, standardised: bool = False) -> None:
        super().__init__()
        self.before = nn.Conv2d(shape.width, shape.code_width, 1)
        self.norm = nn.BatchNorm2d(shape.code_width, affine=False) if standardised else nn.Identity()
        self.codebook = Codebook(shape.codes, shape.code_width)
        self.after = nn.Conv2d(shape.code_width, shape.width, 3, padding=1)

    def searched(self, features: Tensor) -> Tensor:
        """[B, C, h, w] to [B, D, h, w]: what the nearest codes are sought for."""
        return cast(Tensor, self.norm(self.before(features)))

    def forward(self, features: Tensor) -> tuple[Tensor, Codes]:
        codes = self.codebook(self.searched(features))
        return self.after(codes.values), codes


def _per_picture(difference: Tensor) -> Tensor:
    return difference.square().mean((1, 2, 3))


def usage(indices: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    """Perplexity exp(entropy) of the codes' frequencies (1: one code for all; `codes`: all alike), and the part of the
    codes that occur."""
    counts = torch.bincount(indices.flatten(), minlength=codes).double()
    share = counts / counts.sum()
    return torch.exp(-torch.special.xlogy(share, share).sum()), (counts > 0).double().mean()
