"""The plain restorer that OSR's release trains: a residual network at full resolution."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.models.initial import initialise

Plan: TypeAlias = Literal["release", "small"]
WIDTHS: dict[Plan, int] = {"release": 16, "small": 4}
"""Channels of the first layer; the others are its multiples. `small` costs a sixteenth of the released network."""
_FADED = 0.1
"""Share of its draw with which the last layer of a residual path starts, so that 24 stacked layers stay calm."""


class Block(nn.Module):
    """Convolution, ReLU, convolution, plus the input; no norm."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.second(F.relu(self.first(x)))) + x


class PlainRestorer(nn.Module):
    """Six 3x3 convolutions and twelve residual blocks, stride 1, no norms: 738,819 parameters, or 740,035 with biases
    inside the blocks (`block_bias`), at `release`; 37.1 G multiply-accumulates on 224 pixels.

    Layers of the release ddghjikle/Out-of-sample-restoration (commit 202f55e; IEEE TIP 33, 2783-2794): 16 channels with
    2 blocks, 64 with 2, 2 + 2 and 2, 32 with 2. `residual` adds the input to the output; the release does not."""

    def __init__(self, plan: Plan = "release", block_bias: bool = False, residual: bool = False) -> None:
        super().__init__()
        thin = WIDTHS[plan]
        wide, middle = 4 * thin, 2 * thin
        self.residual = residual

        def blocks(width: int, count: int) -> list[nn.Module]:
            return [Block(width, block_bias) for _ in range(count)]

        def turn(inward: int, outward: int) -> nn.Conv2d:
            return nn.Conv2d(inward, outward, 3, padding=1)

        self.layers = nn.Sequential(
            turn(3, thin), *blocks(thin, 2),
            turn(thin, wide), *blocks(wide, 2),
            turn(wide, wide), *blocks(wide, 4),
            turn(wide, wide), *blocks(wide, 2),
            turn(wide, middle), *blocks(middle, 2),
        )  # fmt: skip
        self.last = turn(middle, 3)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same, not clamped; the layers see [-1, 1], as the release's do."""
        out = cast(Tensor, self.last(self.layers(2 * images - 1)))
        return images + out if self.residual else out

    @torch.no_grad()
    def start(self, seed: int) -> None:
        """First weights, drawn by the seed; paths that are added to something start at a tenth of their draw."""
        initialise(self, seed)
        for layer in self.layers:
            if isinstance(layer, Block):
                layer.second.weight.mul_(_FADED)
        if self.residual:
            self.last.weight.mul_(_FADED)
