"""ARCNN and DnCNN: plain stacks of convolutions."""

from __future__ import annotations

import copy
from typing import Self

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Arcnn(nn.Module):
    """ARCNN on RGB: 9x9 3->64, 7x7 64->32, 1x1 32->16, 5x5 16->3, PReLU between (Dong et al., ICCV 2015).

    117,731 weights and biases and three PReLU slopes. `residual` adds the input, so that training starts at the
    identity; the published network has none."""

    def __init__(self, residual: bool = True) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 9, padding=4), nn.PReLU(),
            nn.Conv2d(64, 32, 7, padding=3), nn.PReLU(),
            nn.Conv2d(32, 16, 1), nn.PReLU(),
        )  # fmt: skip
        self.last = nn.Conv2d(16, 3, 5, padding=2)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same, not clamped."""
        out: Tensor = self.last(self.layers(images))
        return images + out if self.residual else out


class Dncnn(nn.Module):
    """DnCNN on RGB: `depth` 3x3 convolutions of `width` channels, batch norm inside, output = input - noise
    (Zhang et al., TIP 2017); 17 layers of 64 as published, 0.559 M parameters with folded norms."""

    def __init__(self, depth: int = 17, width: int = 64, norms: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), *([nn.BatchNorm2d(width)] if norms else []), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same, not clamped."""
        noise: Tensor = self.last(self.layers(images))
        return images - noise

    def deploy(self) -> Self:
        """A copy with every norm folded into the convolution before it."""
        merged = copy.deepcopy(self).eval()
        layers: list[nn.Module] = []
        for layer in merged.layers:
            if isinstance(layer, nn.BatchNorm2d):
                conv = layers.pop()
                assert isinstance(conv, nn.Conv2d)
                layers.append(fuse_conv_bn_eval(conv, layer))
            else:
                layers.append(layer)
        merged.layers = nn.Sequential(*layers)
        return merged
