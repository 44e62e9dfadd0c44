"""Small networks, inputs and parameters that tests of methods share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from qbench.methods.afd import AfdOptions
from qbench.methods.afd.net import Afd
from qbench.models.base import LoadedModel
from qbench.models.cut import Geometry
from qbench.vocabulary import InputConvention


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(module: nn.Module, deviation: float = 0.5) -> Any:
    """`module` with every parameter away from zero, biases too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
    return module


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def untrained(module: nn.Module) -> list[str]:
    """The parameters that the last backward pass did not reach."""
    return [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def stem(channels: int) -> Geometry:
    """The geometry of a stem with stride 2."""
    return Geometry(channels, 2.0, 0.5)


def afd(form: Any = "train", **options: Any) -> Afd:
    """A small module of AFD for 8 channels, without a gate unless `options` say so, every parameter away from zero."""
    net: Afd = drawn(Afd(AfdOptions(**{"base": 4, "gate": False, **options}), stem(8), form), 0.2)
    return net


def tiny() -> LoadedModel:
    """A classifier of 5 classes whose site D2 has 8 channels."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    return LoadedModel(net.eval(), InputConvention(size=32, resize=None), {"D2": "1"})
