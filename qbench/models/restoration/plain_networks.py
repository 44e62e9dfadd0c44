"""The networks of the image restorers, at their published widths."""

from __future__ import annotations

import copy
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from qbench.errors import QbenchError, nearest
from qbench.models.initial import initialise


@runtime_checkable
class Deployable(Protocol):
    """A network whose shipped form differs from the one that it is trained in."""

    def deploy(self) -> nn.Module: ...


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


SIZES: dict[str, tuple[int, int]] = {"dncnn": (17, 64), "dncnn-small": (8, 24)}
"""Depth and width; `dncnn-small` costs a nineteenth of the published network."""


def build(method: str, seed: int, *, passing: bool = False, **options: Any) -> Arcnn | Dncnn:
    """A restorer in its training form with first weights drawn from `seed`; it starts as the identity.

    `passing` starts its hidden layers as the identity too: what a deep network without norms needs to learn at all."""
    net = empty(method, deployed=False, **options)
    initialise(net, seed, zero=("last",), passing=passing)
    return net


def empty(method: str, *, deployed: bool, **options: Any) -> Arcnn | Dncnn:
    """A restorer for weights to be loaded into. Raises QbenchError for an unknown method."""
    if method == "arcnn":
        return Arcnn(**options)
    if method not in SIZES:
        raise QbenchError(f"no restorer {method!r}{nearest(method, ['arcnn', *SIZES])}")
    depth, width = SIZES[method]
    return Dncnn(depth, width, norms=not deployed and bool(options.get("norms", True)))


@torch.no_grad()
def clamped(net: nn.Module, images: Tensor) -> Tensor:
    """What `net` makes of images in [0, 1], in [0, 1] again."""
    restored: Tensor = net(images)
    return restored.clamp(0, 1)
