"""The built-in segmenter and detector of scenes: the classifier's trunk, and a decoder with shortcuts on top.

The stem is the classifier's own, frozen, so that what mends its features (site D2) mends these networks too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.models.builtin.classifier_net import ScenesNet

STEM, WIDTHS = 32, (32, 64, 128)


class _Up(nn.Module):
    """Enlarge twice, join the shortcut, one 3x3 convolution."""

    def __init__(self, inward: int, beside: int, outward: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward + beside, outward, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(outward)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        larger = F.interpolate(x, size=beside.shape[-2:], mode="bilinear", align_corners=False)
        return cast(Tensor, self.relu(self.bn(self.conv(torch.cat([larger, beside], 1)))))


class _Trunk(nn.Module):
    """[B, 3, H, W], normalised, to maps of half, a quarter, an eighth and a sixteenth of the size."""

    def __init__(self) -> None:
        super().__init__()
        whole = ScenesNet(1, STEM, WIDTHS)
        self.conv1, self.bn1, self.relu, self.stages = whole.conv1, whole.bn1, whole.relu, whole.stages

    def maps(self, x: Tensor) -> list[Tensor]:
        """Of pictures whose sides are no multiples of sixteen, the last rows and columns are repeated first."""
        height, width = x.shape[-2:]
        if height % 16 or width % 16:
            x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
        maps = [cast(Tensor, self.relu(self.bn1(self.conv1(x))))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def start_from(self, classifier: Mapping[str, Tensor]) -> None:
        """Take the trunk of the built-in classifier, and keep its stem for good."""
        state = self.state_dict()
        self.load_state_dict({**state, **{name: value for name, value in classifier.items() if name in state}})
        for part in (self.conv1, self.bn1):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> _Trunk:
        """The frozen stem keeps its statistics."""
        super().train(mode)
        self.bn1.train(False)
        return self


class ScenesSegmenter(_Trunk):
    """[B, 3, H, W], normalised, to logits [B, classes, H, W]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.up3, self.up2, self.up1 = _Up(128, 64, 64), _Up(64, 32, 48), _Up(48, STEM, 32)
        self.head = nn.Conv2d(32, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        half, quarter, eighth, sixteenth = self.maps(x)
        joined = self.up1(self.up2(self.up3(sixteenth, eighth), quarter), half)
        larger = F.interpolate(self.head(joined), scale_factor=2.0, mode="bilinear", align_corners=False)
        return larger[..., : x.shape[-2], : x.shape[-1]]


class ScenesDetector(_Trunk):
    """[B, 3, H, W], normalised, to maps [B, classes + 4, H / 4, W / 4]: at each place logits of the classes of an
    object whose middle it is, and its distances to the four sides in units of four pixels (Zhou et al., Objects as
    Points, arXiv 1904.07850; the sides as in Tian et al., FCOS, arXiv 1904.01355)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.up3, self.up2 = _Up(128, 64, 96), _Up(96, 32, 96)
        self.tower = nn.Sequential(nn.Conv2d(96, 96, 3, 1, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU())
        self.heat, self.sides = nn.Conv2d(96, classes, 1), nn.Conv2d(96, 4, 1)
        nn.init.constant_(cast(Tensor, self.heat.bias), -4.6)
        nn.init.constant_(cast(Tensor, self.sides.bias), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        _, quarter, eighth, sixteenth = self.maps(x)
        joined = self.tower(self.up2(self.up3(sixteenth, eighth), quarter))
        whole = torch.cat([self.heat(joined), F.softplus(self.sides(joined))], 1)
        return whole[..., : -(-x.shape[-2] // 4), : -(-x.shape[-1] // 4)]
