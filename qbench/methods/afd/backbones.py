"""Other networks in FE-Net's place, of about its parameters (arXiv 2401.01724, Table IV).

The paper names their families and says that their sizes are nearly equal; the layers are ours. With the published base
width of 16 at 64 channels they have 69,237 (dcnn), 69,336 (resnet), 69,244 (inception), 69,276 (vit) and 69,752
(densenet) parameters when deployed, within 1 % of the 69,344 of FE-Net in the light plan. At other widths they differ:
at 24 channels they have 0.45 to 0.80 of FE-Net's, at 128 and more 1.21 to 1.58. Every 3x3 convolution but the
transformer's is a RepConv, as in FE-Net, so that only the topology differs. Each takes features [B, C, H, W] to a
residual of the same shape, and ends in the layer `outc`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.afd.repconv import RepConv


class Dcnn(nn.Module):
    """Four convolutions, one after the other."""

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        first, second = 44 * base // 16, 45 * base // 16
        self.inc = RepConv(channels, first)
        self.body = RepConv(first, second)
        self.outc = RepConv(second, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outc(F.relu(self.body(F.relu(self.inc(x)))))
        return out


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = RepConv(width, inner)
        self.second = RepConv(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class ResNet(nn.Module):
    """Two residual blocks of half the stem's width (He et al., CVPR 2016), without norms."""

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        width, inner = 2 * base, 7 * base // 4
        self.inc = RepConv(channels, width)
        self.blocks = nn.Sequential(ResidualBlock(width, inner), ResidualBlock(width, inner))
        self.outc = RepConv(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outc(self.blocks(F.relu(self.inc(x))))
        return out


class Inception(nn.Module):
    """1x1, 3x3 and 5x5 convolutions side by side (Szegedy et al., CVPR 2015), and one that joins them."""

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        wide, narrow = 3 * base // 2, 3 * base // 4
        self.point = nn.Conv2d(channels, wide, 1)
        self.square = RepConv(channels, wide)
        self.large = nn.Conv2d(channels, narrow, 5, padding=2)
        self.outc = RepConv(2 * wide + narrow, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outc(F.relu(torch.cat((self.point(x), self.square(x), self.large(x)), 1)))
        return out


class DenseNet(nn.Module):
    """Six convolutions that each see all maps before them (Huang et al., CVPR 2017), and a 1x1 convolution."""

    def __init__(self, channels: int, base: int, layers: int = 6) -> None:
        super().__init__()
        growth = 3 * base // 4
        self.layers = nn.ModuleList([RepConv(channels + i * growth, growth) for i in range(layers)])
        self.outc = nn.Conv2d(channels + layers * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat((x, F.relu(layer(x))), 1)
        out: Tensor = self.outc(x)
        return out


class Vit(nn.Module):
    """One transformer block on patches of 4x4 features (Dosovitskiy et al., ICLR 2021).

    Places come from a 3x3 depthwise convolution (Chu et al., ICLR 2023), since maps of any size occur."""

    PATCH = 4

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        width, hidden = 7 * base // 4, 8 * base
        self.embed = nn.Conv2d(channels, width, self.PATCH, stride=self.PATCH)
        self.places = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.outc = nn.Conv2d(width, channels * self.PATCH**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % self.PATCH, 0, -height % self.PATCH), mode="replicate")
        patches = self.embed(padded)
        patches = patches + self.places(patches)
        tokens = patches.flatten(2).transpose(1, 2)
        query, key, value = self.qkv(self.norms[0](tokens)).chunk(3, dim=-1)
        tokens = tokens + self.join(F.scaled_dot_product_attention(query, key, value))
        tokens = tokens + self.narrow(F.gelu(self.widen(self.norms[1](tokens))))
        maps = tokens.transpose(1, 2).reshape(patches.shape)
        return F.pixel_shuffle(self.outc(maps), self.PATCH)[..., :height, :width]


BACKBONES: Mapping[str, Callable[[int, int], nn.Module]] = {
    "dcnn": Dcnn, "resnet": ResNet, "inception": Inception, "vit": Vit, "densenet": DenseNet,
}  # fmt: skip
"""By name, a network from its site's channels and FE-Net's base width."""
