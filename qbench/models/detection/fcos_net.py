"""FCOS on an encoder of timm: a network of tensors alone, so that it can be cut at any site of its encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import FCOS
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import FeaturePyramidNetwork

from qbench.models.detection.objects import as_targets, class_indices, decode
from qbench.vocabulary import Boxes

STEP = 32
"""Pictures are padded at the right and bottom to a multiple of it: the coarsest stride of an encoder."""


class Pyramid(nn.Module):
    """An encoder and a feature pyramid on its maps (Lin et al., CVPR 2017, arXiv 1612.03144)."""

    def __init__(self, body: Any, strides: Sequence[int], width: int) -> None:
        super().__init__()
        self.body, self.out_channels = body, width
        self.levels = [str(stride) for stride in strides]
        self.fpn = FeaturePyramidNetwork(body.feature_info.channels(), width)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.body(x)
        named = OrderedDict((level, maps[place]) for place, level in enumerate(self.levels))
        return list(self.fpn(named).values())


@dataclass(frozen=True)
class Layout:
    """Where the places of the maps lie in a picture."""

    strides: tuple[int, ...]
    scale: float

    def grids(self, height: int, width: int) -> list[tuple[int, int]]:
        """Rows and columns of each map, for a picture of this size."""
        rows, columns = (-(-int(side * self.scale) // STEP) * STEP for side in (height, width))
        return [(rows // stride, columns // stride) for stride in self.strides]

    def counts(self, height: int, width: int) -> list[int]:
        return [rows * columns for rows, columns in self.grids(height, width)]

    def anchors(self, height: int, width: int) -> Tensor:
        """[places of all maps, 4]: a square as wide as the stride around the middle of each place (FCOS, section 3.1),
        in pixels that the encoder sees."""
        squares = []
        for stride, (rows, columns) in zip(self.strides, self.grids(height, width), strict=True):
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            corner = torch.stack([x, y], dim=2).reshape(-1, 2).float() * stride
            squares.append(torch.cat([corner, corner + stride], dim=1))
        return torch.cat(squares)


class Fcos(FCOS):  # type: ignore[misc]
    """Normalised pictures [B, 3, H, W] of any size to the maps of FCOS's heads, all places in a row: `cls_logits`
    [B, N, 1 + classes], `bbox_regression` [B, N, 4], `bbox_ctrness` [B, N, 1]. Losses and decoding are outside, so that
    torch.fx can trace it."""

    def __init__(self, body: Any, layout: Layout, classes: int, width: int, convs: int, **kept: float) -> None:
        head = FCOSHead(width, 1, 1 + classes, convs)
        super().__init__(Pyramid(body, layout.strides, width), 1 + classes, head=head, **kept)
        self.layout, self.classes = layout, classes

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        scale = self.layout.scale
        if scale != 1.0:
            x = F.interpolate(x, scale_factor=scale, mode="bilinear", antialias=scale < 1.0)
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % STEP, 0, -height % STEP), mode="replicate")
        return cast(dict[str, Tensor], self.head(self.backbone(x)))


def losses(net: nn.Module, images: Tensor, boxes: Sequence[Boxes]) -> Mapping[str, Tensor]:
    """FCOS's own, in float32: focal loss of classes, generalised IoU of boxes, cross-entropy of centreness."""
    fcos = cast(Fcos, net)
    maps = fcos(images)
    anchors = fcos.layout.anchors(*images.shape[-2:]).to(images.device)
    with torch.autocast(images.device.type, enabled=False):
        terms: Mapping[str, Tensor] = fcos.compute_loss(
            as_targets(boxes, images, fcos.layout.scale),
            {name: values.float() for name, values in maps.items()},
            [anchors] * len(images),
            fcos.layout.counts(*images.shape[-2:]),
        )
    return terms


def find(net: Fcos, output: Mapping[str, Tensor], images: Tensor) -> list[Boxes]:
    """What the heads give for images [B, 3, H, W], to boxes in the images' own pixels."""
    layout, (height, width) = net.layout, images.shape[-2:]
    counts = layout.counts(height, width)
    maps = {name: list(torch.split(values.float(), counts, dim=1)) for name, values in output.items()}
    anchors = list(torch.split(layout.anchors(height, width).to(images.device), counts))
    edges: Any = (height * layout.scale, width * layout.scale)
    detections = net.postprocess_detections(maps, [anchors] * len(images), [edges] * len(images))
    for picture in detections:
        picture["boxes"] = picture["boxes"] / layout.scale
    return decode(class_indices(["background", *map(str, range(net.classes))], skipped=1), detections, images)
