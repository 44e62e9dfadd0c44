"""The discriminators of QDMR: U-Nets with spectral norm that judge every pixel (as in Real-ESRGAN, Wang et al., ICCVW
2021, arXiv 2107.10833; spectral norm: Miyato et al., ICLR 2018, arXiv 1802.05957)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
DOWN = 8
"""Sides of what is judged are multiples of it."""


class SpectralConv(nn.Conv2d):
    """A convolution without bias whose weight, as a matrix of one row for each output, is divided by its largest
    singular value: estimated by one step of power iteration at each pass in training, which `u` carries on."""

    def __init__(self, inward: int, outward: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inward, outward, kernel, stride, padding=1, bias=False)
        self.register_buffer("u", F.normalize(torch.ones(outward), dim=0))

    def scaled(self) -> Tensor:
        """The weight over the estimate of its largest singular value."""
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self.weight.flatten(1)
            with torch.no_grad():
                u = cast(Tensor, self.u).clone()
                v = F.normalize(matrix.t() @ u, dim=0)
                if self.training:
                    u = F.normalize(matrix @ v, dim=0)
                    cast(Tensor, self.u).copy_(u)
            return self.weight / (u @ matrix @ v)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.scaled(), None, self.stride, self.padding)


class Judge(nn.Module):
    """[B, C, H, W], sides multiples of DOWN, to one logit a place, [B, 1, H, W].

    Three halvings to eight times the width and back, by bilinear doubling, with sums across."""

    def __init__(self, inward: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inward, width, 3, padding=1)
        self.down = nn.ModuleList(SpectralConv(n * width, 2 * n * width, 4, stride=2) for n in (1, 2, 4))
        self.up = nn.ModuleList(SpectralConv(2 * n * width, n * width, 3) for n in (4, 2, 1))
        self.tail = nn.ModuleList(SpectralConv(width, width, 3) for _ in range(2))
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [F.leaky_relu(self.first(x), SLOPE)]
        for layer in self.down:
            levels.append(F.leaky_relu(layer(levels[-1]), SLOPE))
        x = levels.pop()
        for layer in self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(x), SLOPE) + levels.pop()
        for layer in self.tail:
            x = F.leaky_relu(layer(x), SLOPE)
        return cast(Tensor, self.last(x))


def least_squares(logits: Tensor, label: float) -> Tensor:
    """The loss of LSGAN (Mao et al., ICCV 2017): mean squared distance from a label."""
    return (logits - label).square().mean()


def hinge(logits: Tensor, real: bool) -> Tensor:
    """The discriminator's hinge loss (Lim and Ye, arXiv 1705.02894); the generator's is the mean of -logits."""
    return F.relu(1 - logits if real else 1 + logits).mean()
