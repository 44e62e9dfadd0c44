"""Initial weights as a function of a seed and a parameter's name, so that training starts from the same numbers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from qbench.draws import keyed


@torch.no_grad()
def initialise(
    net: nn.Module, seed: int, *, zero: Iterable[str] = (), std: float | None = None, passing: bool = False
) -> None:
    """He-normal weights (or N(0, `std`)) and zero biases for every convolution and linear layer.

    Layers under the paths in `zero` start as a network whose output they close: at zero. With `passing`, square
    convolutions start as the identity plus a tenth of their draw: a deep stack without norms then passes its first
    layer's features, and its gradients, on (Dirac start; compare Chen et al., Net2Net, ICLR 2016)."""
    closing = tuple(zero)
    for name, layer in net.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        fan_in = layer.weight[0].numel()
        drawn = keyed(seed, "initial", 0, name).standard_normal(tuple(layer.weight.shape), dtype="float32")
        layer.weight.copy_(torch.from_numpy(drawn) * ((2 / fan_in) ** 0.5 if std is None else std))
        if passing and isinstance(layer, nn.Conv2d) and layer.in_channels == layer.out_channels:
            layer.weight.mul_(0.1).add_(nn.init.dirac_(torch.empty_like(layer.weight)))
        if layer.bias is not None:
            layer.bias.zero_()
        if name.startswith(closing) and closing:
            layer.weight.zero_()
