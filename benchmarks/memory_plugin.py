"""What the benchmark of memory runs on: drawn pictures of any size, and a classifier that costs next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

import qbench
from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention, Manifest, Sample

CLASSES = 19  # as many as Cityscapes has


@qbench.dataset("memory-pictures", version="1")
class Pictures:
    """Pictures of `height` x `width` pixels, each drawn when it is asked for; targets are masks or classes."""

    label = "pictures"

    def __init__(self, count: int, height: int, width: int, masks: bool = False) -> None:
        self.height, self.width, self.masks = height, width, masks
        self.classes = tuple(f"class {index}" for index in range(CLASSES))
        self._ids = tuple(f"{index:06d}" for index in range(count))

    def manifest(self) -> Manifest:
        return Manifest(self._ids, self._ids)

    def load(self, index: int) -> Sample:
        coarse = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = np.repeat(np.repeat(coarse, self.height // 8, axis=0), self.width // 8, axis=1)
        target = image[..., 0] % CLASSES if self.masks else index % CLASSES
        return Sample(self._ids[index], image, target)


@qbench.model("memory-tiny", version="1")
class Tiny:
    """The mean of each colour to logits."""

    label = "tiny"
    sites: ClassVar[Mapping[str, str]] = {}

    def identity(self) -> Mapping[str, Any]:
        return {"version": 1}

    def build(self) -> LoadedModel:
        net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES)).eval()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
        return LoadedModel(net, InputConvention(size=None, resize=None), self.sites)
