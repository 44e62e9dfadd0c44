"""The encoder, the decoder and the vector-quantised autoencoder of QDMR (arXiv 2403.10012, stage 1)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.qdmr.codebook import Codes, Quantiser
from qbench.methods.qdmr.shape import Shape


class ResidualBlock(nn.Module):
    """x + conv(SiLU(norm(conv(SiLU(norm(x)))))), 3x3 convolutions and group norms."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.silu(self.norm1(x)))
        return cast(Tensor, x + self.conv2(F.silu(self.norm2(inner))))


class Encoder(nn.Module):
    """[B, 3, H, W] to features [B, C, H / f, W / f]; H and W are multiples of f.

    A 4x4 convolution with a padding of 1 (which leaves H - 1 rows), then a convolution of stride 2 and two residual
    blocks for every halving."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, shape.widths[0], 4, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                ResidualBlock(after, shape.groups),
                ResidualBlock(after, shape.groups),
            )
            for before, after in pairwise(shape.widths)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        for level in self.levels:
            x = level(x)
        return cast(Tensor, x)


class Decoder(nn.Module):
    """Features [B, C, h, w] to [B, 3, f h, f w], neither squashed nor clamped: each size is doubled by the nearest
    value, then a 3x3 convolution and two residual blocks. Nothing is passed around the features."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        down = shape.widths[::-1]
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(before, after, 3, padding=1),
                ResidualBlock(after, shape.groups),
                ResidualBlock(after, shape.groups),
            )
            for before, after in pairwise(down)
        )
        self.last = nn.Conv2d(shape.widths[0], 3, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        x = features
        for level in self.levels:
            x = level(x)
        return cast(Tensor, self.last(x))


class Vqgan(nn.Module):
    """Pictures to themselves through the codebook. Trained with a discriminator that takes target pictures for real
    and the reconstructions of source pictures for made up, it turns source pictures into target ones."""

    def __init__(self, shape: Shape, *, standardised: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.quantiser = Quantiser(shape, standardised=standardised)
        self.decoder = Decoder(shape)

    def forward(self, images: Tensor) -> tuple[Tensor, Codes]:
        """[B, 3, H, W], sides multiples of f, to reconstructions and the codes that they are made of."""
        features, codes = self.quantiser(self.encoder(images))
        return self.decoder(features), codes
