"""Activations that learn whether to activate: ACON-C, meta-ACON, and Q-ACON, which asks for the picture's quality.

All are y = (p1 - p2) x sigmoid(beta (p1 - p2) x) + p2 x with p1 and p2 per channel (Ma et al., Activate or Not, CVPR
2021): the identity where p1 = p2 = 1, Swish at p1 = 1, p2 = 0, ReLU as beta grows, and linear at beta = 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, cast

import torch
from torch import Tensor, nn

from qbench.errors import QbenchError
from qbench.methods.adaptive import QualityAdaptive

Norm = Literal["layer", "none", "release"]
Layout = Literal["first", "last"]
REDUCTION, SMALLEST = 16, 16
STEEP = 5.0
"""beta at which x sigmoid(beta x) starts in place of a ReLU: it is never further from it than 0.28 / beta."""

STARTS = {
    "relu": (STEEP, 0.0), "gelu": (1.702, 0.0), "silu": (1.0, 0.0), "swish": (1.0, 0.0), "mish": (1.25, 0.0),
    "elu": (1.95, 0.35),
}  # fmt: skip
"""beta, and the slope below zero, by the first of these that the name of an activation holds."""


class Acon(nn.Module):
    """p1, p2 and the formula; channels are the second dimension, or the last one (tokens)."""

    p1: nn.Parameter
    p2: nn.Parameter
    layout: Layout
    unit: float = 1.0
    """What counts as 1 in the maps, for beta and for their means: see `work_in`."""

    def _begin(self, channels: int, layout: Layout) -> None:
        self.layout = layout
        self.p1, self.p2 = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def _activate(self, x: Tensor, beta: Tensor) -> Tensor:
        """`beta`: [channels] or [B, channels]. Maps keep their type, whatever that of the parameters is; autocast
        chooses types of its own."""
        gap, p2, beta = (self._along(value, x) for value in (self.p1 - self.p2, self.p2, beta / self.unit))
        lifted = gap * x
        y = lifted * torch.sigmoid(beta * lifted) + p2 * x
        return y if torch.is_autocast_enabled(x.device.type) else y.to(x.dtype)

    def _along(self, value: Tensor, x: Tensor) -> Tensor:
        if value.dim() == 1:
            value = value.unsqueeze(0)
        others = [1] * (x.dim() - 2)
        shape = (*others, -1) if self.layout == "last" else (-1, *others)
        return value.reshape(len(value), *shape)

    def _pooled(self, x: Tensor) -> Tensor:
        """The mean over all places in units, [B, channels]."""
        if x.dim() > 2:
            x = x.flatten(1, -2).mean(1) if self.layout == "last" else x.flatten(2).mean(2)
        return x / self.unit

    @torch.no_grad()
    def work_in(self, unit: float) -> None:
        """Let beta and means count in `unit`, the size of the maps, as it is in networks whose maps are far from 1:
        there a steep beta hardly learns, and the quality is lost beside the means. Raises ValueError for meta-ACON,
        whose beta cannot leave (0, 1), and for a unit that is not positive."""
        if unit <= 0 or isinstance(self, MetaAcon):
            raise ValueError("maps have a positive size, and the beta of meta-ACON cannot follow it")
        self.unit = unit

    @torch.no_grad()
    def settle(self) -> None:
        """Put the unit into the weights: the same function of the picture, in units of 1."""
        if isinstance(self, AconC):
            self.beta.div_(self.unit)
        if isinstance(self, QAcon):
            self.out.weight.div_(self.unit)
            self.out.bias.div_(self.unit)
            first = cast(nn.Linear, self.squeeze[0])
            first.weight[:, : len(self.p1)].div_(self.unit)
        self.unit = 1.0


class AconC(Acon):
    """ACON-C: beta is learned for each channel, the same for every picture."""

    def __init__(self, channels: int, layout: Layout = "first") -> None:
        super().__init__()
        self._begin(channels, layout)
        self.beta = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self._activate(x, self.beta)


class MetaAcon(Acon):
    """meta-ACON: beta in (0, 1) from the features' own means, by two layers without an activation between."""

    def __init__(
        self, channels: int, layout: Layout = "first", norm: Norm = "layer", reduction: int = REDUCTION
    ) -> None:
        super().__init__()
        self._begin(channels, layout)
        self.squeeze = _squeeze(channels, reduction, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self._activate(x, torch.sigmoid(self.squeeze(self._pooled(x).to(self.p1.dtype))))


class QAcon(Acon, QualityAdaptive):
    """Q-ACON: beta from the features' means and the picture's quality, z = [mean(x); q]:
    s = sigmoid(N(W2 N(W1 z))) and beta = W3 s + b3, per picture and channel, unbounded.

    `norm`: N is a layer norm, nothing, or (`release`) the batch norm of the released code, which needs batches of
    several pictures when training, whose outputs then depend on their neighbours. `narrow`: a linear layer first
    brings q down to so many numbers, where the features of q outnumber those of the maps by far."""

    def __init__(
        self,
        channels: int,
        dimension: int,
        layout: Layout = "first",
        norm: Norm = "layer",
        reduction: int = REDUCTION,
        zeroed: bool = False,
        narrow: int | None = None,
    ) -> None:
        QualityAdaptive.__init__(self, dimension, zeroed)
        self._begin(channels, layout)
        width = channels + (narrow or dimension)
        self.narrow = nn.Linear(dimension, narrow) if narrow else nn.Identity()
        self.squeeze = _squeeze(width, reduction, norm)
        self.out = nn.Linear(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self._activate(x, self.beta_for(x))

    def beta_for(self, x: Tensor) -> Tensor:
        """[B, channels]."""
        pooled = self._pooled(x)
        quality = self.narrow(self.quality_for(x).to(self.p1.dtype))
        both = torch.cat([pooled, quality.to(pooled.dtype)], dim=1).to(self.p1.dtype)
        return cast(Tensor, self.out(torch.sigmoid(self.squeeze(both))))


class ReleasedNorm(nn.BatchNorm1d):
    """The batch norm of the released code."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            raise QbenchError("`norm: release` is a batch norm, which cannot train on one picture; use `norm: layer`")
        return super().forward(x)


NORMS: Mapping[Norm, Callable[[int], nn.Module]] = {
    "layer": nn.LayerNorm, "none": lambda _width: nn.Identity(), "release": ReleasedNorm,
}  # fmt: skip


def _squeeze(width: int, reduction: int, norm: Norm) -> nn.Sequential:
    inner, norm_of = max(SMALLEST, width // reduction), NORMS[norm]
    return nn.Sequential(nn.Linear(width, inner), norm_of(inner), nn.Linear(inner, width), norm_of(width))


@torch.no_grad()
def start_as(module: Acon, replaced: nn.Module | None) -> None:
    """Set what decides the first output: that of the activation which is replaced (None: an added one, the identity).

    SiLU is met exactly, ReLU and those with a slope below zero (PReLU: of each channel) as STEEP says, GELU to 0.02 by
    beta = 1.702 (Hendrycks and Gimpel, arXiv 1606.08415). Others are nearly met: Mish to 0.10, Hardswish to 0.14, ELU
    to 0.14 where it is given [-3, 3], and not beyond, where no such function is level; ReLU6 up to its limit.
    meta-ACON's beta cannot leave (0, 1), so that it begins near SiLU whatever it replaces."""
    beta, below = _shape_of(replaced)
    module.p1.fill_(1.0)
    module.p2.copy_(below)
    if isinstance(module, AconC):
        module.beta.copy_(beta)
    if isinstance(module, QAcon):
        module.out.weight.zero_()
        module.out.bias.copy_(beta)


def _shape_of(replaced: nn.Module | None) -> tuple[Tensor, Tensor]:
    """beta, and the slope below zero: one or one for each channel."""
    if replaced is None:
        return torch.tensor(STEEP), torch.tensor(1.0)
    slope = getattr(replaced, "weight", getattr(replaced, "negative_slope", None))
    if slope is not None:
        below = torch.as_tensor(slope)
        return torch.where(below > 1, -STEEP, STEEP), below  # above one, the smaller of both lines is meant
    name = type(replaced).__name__.lower()
    beta, level = next((shape for part, shape in STARTS.items() if part in name), (STEEP, 0.0))
    return torch.tensor(beta), torch.tensor(level)
