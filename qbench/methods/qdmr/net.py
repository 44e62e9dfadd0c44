"""QDMR's restoration network: encoder, fusion with the codebook, bottleneck, decoder (arXiv 2403.10012)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.qdmr.codebook import Codes, Quantiser
from qbench.methods.qdmr.shape import Shape
from qbench.methods.qdmr.swin import Bottleneck
from qbench.methods.qdmr.vqgan import Decoder, Encoder

SLOPE = 0.1


class Fusion(nn.Module):
    """f^m = f · gamma(f^q) + beta(f^q) + f (equations 4, 5; a spatial feature transform, Wang et al., CVPR 2018).

    gamma and beta are two 1x1 convolutions each, without biases: a codebook feature of zero changes nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = self._branch(width)
        self.beta = self._branch(width)

    @staticmethod
    def _branch(width: int) -> nn.Sequential:
        first, last = (nn.Conv2d(width, width, 1, bias=False) for _ in range(2))
        return nn.Sequential(first, nn.LeakyReLU(SLOPE), last)

    def forward(self, features: Tensor, quantised: Tensor) -> Tensor:
        return cast(Tensor, features * self.gamma(quantised) + self.beta(quantised) + features)


@dataclass(frozen=True)
class Passed:
    """What a training sees of one pass."""

    pictures: Tensor
    """[B, 3, H, W], not clamped."""
    features: Tensor
    """[B, C, h, w]: f^m', behind the bottleneck, where the domains are aligned."""
    codes: Codes | None
    """None without the codebook."""


class Qdmr(nn.Module):
    """Pictures [B, 3, H, W] in [0, 1] of any size to the same, not clamped.

    Without `codebook` the features go to the bottleneck as they are: the plain network. `residual` adds the input to
    the output, which the published network does not: a small one then starts as the identity. `standardised`: see
    `Quantiser`."""

    def __init__(
        self, shape: Shape, *, codebook: bool = True, residual: bool = False, standardised: bool = False
    ) -> None:
        super().__init__()
        self.shape, self.residual, self.mixing = shape, residual, codebook
        self.encoder = Encoder(shape)
        if codebook:
            self.quantiser = Quantiser(shape, standardised=standardised)
            self.fusion = Fusion(shape.width)
        self.bottleneck = Bottleneck(shape)
        self.decoder = Decoder(shape)

    def passed(self, images: Tensor) -> Passed:
        """Sides must be multiples of the plan's `multiple`."""
        features, codes = self.encoder(images), None
        if self.mixing:
            quantised, codes = self.quantiser(features)
            features = self.fusion(features, quantised)
        features = self.bottleneck(features)
        pictures = self.decoder(features)
        return Passed(images + pictures if self.residual else pictures, features, codes)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        return self.passed(padded(images, self.shape.multiple)).pictures[..., :height, :width]


def padded(images: Tensor, multiple: int) -> Tensor:
    """Edges repeated to the right and below, up to sides that are multiples."""
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return F.pad(images, (0, right, 0, below), mode="replicate") if below or right else images
