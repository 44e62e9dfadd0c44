"""RepConv: three branches in training, one 3x3 convolution when deployed (AFD, arXiv 2401.01724, Eqs. 4-8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RepConv(nn.Module):
    """Sum of 1x1 -> 3x3, 3x3 -> 1x1 and 1x1, every convolution with a bias; no norm, no activation.

    The first branch pads its *input*: padded pixels then pass the 1x1 convolution's bias as the merged convolution
    assumes, and `deploy()` is exact at the borders too."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, outputs, 1)
        self.spread = nn.Conv2d(outputs, outputs, 3)
        self.gather = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.mix = nn.Conv2d(outputs, outputs, 1)
        self.point = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        padded: Tensor = self.spread(self.reduce(F.pad(x, (1, 1, 1, 1))))
        gathered: Tensor = self.mix(self.gather(x))
        point: Tensor = self.point(x)
        return padded + gathered + point

    @torch.no_grad()
    def deploy(self) -> nn.Conv2d:
        """The 3x3 convolution that computes the same, merged in float64, of the same type."""
        k1, b1 = _double(self.reduce)
        k2, b2 = _double(self.spread)
        q, bq = _double(self.gather)
        p, bp = _double(self.mix)
        r, br = _double(self.point)
        weight = torch.einsum("edhw,dc->echw", k2, k1[:, :, 0, 0]) + torch.einsum("em,mchw->echw", p[:, :, 0, 0], q)
        weight[:, :, 1, 1] += r[:, :, 0, 0]
        bias = b2 + torch.einsum("edhw,d->e", k2, b1) + bp + p[:, :, 0, 0] @ bq + br
        like = self.reduce.weight
        merged = nn.Conv2d(k1.shape[1], k2.shape[0], 3, padding=1, device=like.device, dtype=like.dtype)
        merged.weight.copy_(weight)
        merged.bias.copy_(bias)  # type: ignore[union-attr]
        return merged


def _double(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    assert conv.bias is not None
    return conv.weight.double(), conv.bias.double()
