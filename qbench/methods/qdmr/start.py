"""First weights of QDMR's networks, by the seed and a parameter's name."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.draws import keyed
from qbench.methods.qdmr.codebook import Codebook
from qbench.methods.qdmr.judge import SpectralConv
from qbench.methods.qdmr.swin import Attention

LINEAR = 0.02
"""Standard deviation of transformers' linear layers and biases of position, as in Swin."""


@torch.no_grad()
def begin(net: nn.Module, seed: int, name: str, *, zero: tuple[str, ...] = ()) -> nn.Module:
    """Convolutions evenly from ±1 / sqrt(fan-in), linear layers from N(0, 0.02²), codes evenly from ±1 / K, biases and
    the layers in `zero` at 0. `name` tells networks of one training apart. Returns `net`."""
    for path, layer in net.named_modules():
        rng = keyed(seed, f"qdmr/{name}", 0, path)
        match layer:
            case nn.Conv2d():
                _even(layer.weight, rng, layer.weight[0].numel() ** -0.5)
            case nn.Linear():
                _normal(layer.weight, rng)
            case Attention():
                _normal(layer.bias, rng)
            case Codebook():
                _even(layer.weight, rng, 1 / len(layer.weight))
        if isinstance(layer, SpectralConv):
            cast(Tensor, layer.u).copy_(F.normalize(_tensor(rng.standard_normal(layer.out_channels)), dim=0))
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            layer.bias.zero_()
        if path in zero:
            cast(Tensor, layer.weight).zero_()
    return net


def _even(weight: Tensor, rng: np.random.Generator, bound: float) -> None:
    weight.copy_(_tensor(rng.uniform(-bound, bound, tuple(weight.shape))))


def _normal(weight: Tensor, rng: np.random.Generator) -> None:
    weight.copy_(_tensor(LINEAR * rng.standard_normal(tuple(weight.shape))))


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
