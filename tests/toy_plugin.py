"""A plug-in as a user would write it: a small model, an image method, a feature method and a condition."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

import qbench
from qbench.models.base import LoadedModel
from qbench.models.protocols import Setup
from qbench.vocabulary import Context, InputConvention


@qbench.model("toy")
class Toy:
    """Two convolutions with keyed weights, 24 classes, 64 pixels."""

    label = "toy"
    sites: ClassVar[dict[str, str]] = {"D1": "0", "D2": "1"}

    def identity(self) -> dict[str, int]:
        return {"seed": 7}

    def build(self) -> LoadedModel:
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
            nn.Flatten(), nn.Linear(256, 24),
        )  # fmt: skip
        rng = np.random.default_rng(7)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(0, 0.3, tuple(parameter.shape)).astype(np.float32)))
        return LoadedModel(net.eval(), InputConvention(size=64, resize=80), self.sites)


@qbench.method("median3", site="image")
class Median3:
    """The median of three neighbours in a row."""

    def restore(self, images: Tensor, context: Context) -> Tensor:
        neighbours = torch.stack([images.roll(shift, dims=3) for shift in (-1, 0, 1)])
        return neighbours.median(dim=0).values


@qbench.method("damp", site="feature")
class Damp:
    """Features times a factor."""

    def __init__(self, factor: float = 0.5) -> None:
        self.factor, self.at = factor, "D2"

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        return features * self.factor


@qbench.method("broken", site="image")
class Broken:
    """Fails on every batch."""

    def restore(self, images: Tensor, context: Context) -> Tensor:
        raise RuntimeError("out of luck")


@qbench.method("nowhere", site="feature")
class Nowhere:
    """Asks for a site that the model lacks."""

    at = "D9"

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        return features


@qbench.method("measured", site="feature")
class Measured:
    """Measures where its site looks, as AFD does, and leaves the features alone."""

    at = "D2"

    def setup(self, setup: Setup) -> None:
        assert setup.model is not None
        self.stride = setup.model.cut(self.at).geometry().stride

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        assert self.stride == 2
        return features
