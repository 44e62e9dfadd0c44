"""The bottleneck of QDMR: residual stacks of Swin transformer blocks (Liu et al., ICCV 2021, arXiv 2103.14030; as in
SwinIR, Liang et al., arXiv 2108.10257)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.qdmr.shape import Shape


def windows(x: Tensor, side: int) -> Tensor:
    """[B, H, W, C] to [B, windows, side², C], rows of windows first."""
    batch, height, width, channels = x.shape
    cut = x.view(batch, height // side, side, width // side, side, channels)
    return cut.transpose(2, 3).reshape(batch, -1, side * side, channels)


def joined(x: Tensor, side: int, height: int, width: int) -> Tensor:
    """The inverse of `windows`."""
    batch, _, _, channels = x.shape
    cut = x.view(batch, height // side, width // side, side, side, channels)
    return cut.transpose(2, 3).reshape(batch, height, width, channels)


def strangers(height: int, width: int, side: int, shift: int, device: torch.device) -> Tensor:
    """[windows, side², side²]: -100 where a shifted window joins places from opposite edges of the picture, else 0."""

    def bands(extent: int) -> Tensor:
        places = torch.arange(extent, device=device)
        return (places >= extent - side).int() + (places >= extent - shift).int()

    region = 3 * bands(height)[:, None] + bands(width)
    of = windows(region.view(1, height, width, 1), side)[0, :, :, 0]
    return (of[:, :, None] != of[:, None, :]).float() * -100


class Attention(nn.Module):
    """Self-attention inside windows with a learned bias for every relative position."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        place = torch.arange(side)
        steps = place[:, None] - place + side - 1
        pairs = steps[:, None, :, None] * (2 * side - 1) + steps[None, :, None, :]
        self.register_buffer("pairs", pairs.reshape(side**2, side**2), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, windows, side², C] to the same; `mask` [windows, side², side²] is added to the scores."""
        batch, count, places, channels = x.shape
        parts = self.qkv(x).view(batch, count, places, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(3, 0, 1, 4, 2, 5).unbind(0)
        scores = (query * (channels // self.heads) ** -0.5) @ key.transpose(-1, -2)
        scores = scores.float() + self.bias[cast(Tensor, self.pairs)].permute(2, 0, 1)
        if mask is not None:
            scores = scores + mask[:, None]
        weights = scores.softmax(-1).to(value.dtype)
        return cast(Tensor, self.out((weights @ value).transpose(2, 3).reshape(batch, count, places, channels)))


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), on [B, H, W, C]; every other block shifts its windows."""

    def __init__(self, shape: Shape, shifted: bool) -> None:
        super().__init__()
        self.side, self.shifted = shape.window, shifted
        self.norm1 = nn.LayerNorm(shape.width)
        self.attention = Attention(shape.width, shape.heads, shape.window)
        self.norm2 = nn.LayerNorm(shape.width)
        self.inner = nn.Linear(shape.width, shape.mlp * shape.width)
        self.outer = nn.Linear(shape.mlp * shape.width, shape.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        shift = self.side // 2 if self.shifted else 0
        inner = self.norm1(x).roll((-shift, -shift), (1, 2))
        inner = self.attention(windows(inner, self.side), mask if shift else None)
        x = x + joined(inner, self.side, height, width).roll((shift, shift), (1, 2))
        return cast(Tensor, x + self.outer(F.gelu(self.inner(self.norm2(x)))))


class Stack(nn.Module):
    """A residual Swin transformer block: blocks, a 3x3 convolution, and what came in."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(shape, shifted=number % 2 == 1) for number in range(shape.blocks))
        self.last = nn.Conv2d(shape.width, shape.width, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        inner = x.permute(0, 2, 3, 1)
        for block in self.blocks:
            inner = block(inner, mask)
        return cast(Tensor, x + self.last(inner.permute(0, 3, 1, 2)))


class Bottleneck(nn.Module):
    """Features [B, C, h, w] to the same; h and w are multiples of the window's side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.side = shape.window
        self.stacks = nn.ModuleList(Stack(shape) for _ in range(shape.stacks))

    def forward(self, features: Tensor) -> Tensor:
        mask = strangers(features.shape[-2], features.shape[-1], self.side, self.side // 2, features.device)
        for stack in self.stacks:
            features = stack(features, mask)
        return features
