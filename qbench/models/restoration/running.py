"""How restorers run: first weights, the deployed form, tiles, and the range of what they give."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from qbench.models.initial import initialise
from qbench.models.restoration.declared import restorer

OVERLAP = 32
"""Pixels that a tile sees of its neighbours where the network depends on the whole picture."""


@runtime_checkable
class Deployable(Protocol):
    """A network whose shipped form differs from the one that it is trained in."""

    def deploy(self) -> nn.Module: ...


def deployed(net: nn.Module) -> nn.Module:
    """The form of a network that runs and whose weights ship."""
    return net.deploy() if isinstance(net, Deployable) else net


def build(method: str, seed: int, *, passing: bool = False, **options: Any) -> nn.Module:
    """A restorer in its training form with first weights drawn from `seed`; it starts as the identity.

    `passing` starts its hidden layers as the identity too: what a deep network without norms needs to learn at all.
    Raises QbenchError for an unknown method."""
    declared = restorer(method)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        net = declared.new_network(**options)
    initialise(net, seed, zero=declared.closing, passing=passing)
    return net


def empty(method: str) -> nn.Module:
    """A restorer in its deployed form, for weights to be loaded into. Raises QbenchError for an unknown method."""
    return deployed(restorer(method).new_network())


def in_range(output: Any, images: Tensor) -> Tensor:
    """What a restorer gives, clamped to [0, 1]."""
    restored: Tensor = output
    return restored.clamp(0, 1)


@torch.no_grad()
def clamped(net: nn.Module, images: Tensor) -> Tensor:
    """What `net` makes of images in [0, 1], in [0, 1] again."""
    restored: Tensor = net(images)
    return restored.clamp(0, 1)


class Tiled(nn.Module):
    """`net` on tiles of `tile` x `tile` pixels, each with `overlap` more on every side where the picture has them.

    The picture's own where it fits in one tile; equal to `net` on the whole picture where `overlap` reaches as far as
    the network looks."""

    def __init__(self, net: nn.Module, tile: int, overlap: int) -> None:
        super().__init__()
        self.net, self.tile, self.overlap = net, tile, overlap

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same."""
        height, width = images.shape[-2:]
        if max(height, width) <= self.tile:
            whole: Tensor = self.net(images)
            return whole
        restored = torch.empty_like(images)
        for top in range(0, height, self.tile):
            for left in range(0, width, self.tile):
                upper, left_most = max(top - self.overlap, 0), max(left - self.overlap, 0)
                bottom, right = min(top + self.tile, height), min(left + self.tile, width)
                seen: Tensor = self.net(
                    images[..., upper : bottom + self.overlap, left_most : right + self.overlap].contiguous()
                )
                restored[..., top:bottom, left:right] = seen[
                    ..., top - upper : bottom - upper, left - left_most : right - left_most
                ]
        return restored


def tiled(net: nn.Module, tile: int | None, overlap: int | None, reach: int | None) -> nn.Module:
    """`net` in tiles of `tile` pixels; as it is without one. A tile sees `overlap` pixels of its neighbours, or as many
    as the network's `reach`."""
    if tile is None:
        return net
    return Tiled(net, tile, overlap if overlap is not None else OVERLAP if reach is None else reach)
