"""QuARF's experts: convolutions that look near or far, for one group of channels each."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kind = Literal["dilated", "two_step", "dense_k"]
DILATIONS = (1, 2, 4, 8)
FILLING = (1, 3, 5, 9)
"""Kernels of the first step: as large as the holes of the dilated one after it, so that the field is continuous."""
DENSE = (3, 5, 7, 9)


class Expert(nn.Module):
    """One expert for `groups` groups of `width` channels, shared by all of them, or `own_weights` for each.

    `dilated`: a 3x3 convolution with dilation 1, 2, 4 or 8, a field of 3 to 17 pixels (as released); `two_step`: a
    depthwise convolution that fills the holes first, 3 to 25 pixels without holes; `dense_k`: a depthwise kernel of 3
    to 9 pixels and a 1x1 convolution."""

    def __init__(self, kind: Kind, place: int, width: int, groups: int, own_weights: bool) -> None:
        super().__init__()
        self.width, self.repeats = width, 1 if own_weights else groups
        self.copies = groups if own_weights else 1
        if kind == "dense_k":
            self.steps = nn.ModuleList([self._conv(DENSE[place], depthwise=True), self._conv(1)])
        else:
            dilated = self._conv(3, DILATIONS[place])
            first = [self._conv(FILLING[place], depthwise=True)] if kind == "two_step" else []
            self.steps = nn.ModuleList([*first, dilated])

    def _conv(self, kernel: int, dilation: int = 1, depthwise: bool = False) -> nn.Conv2d:
        channels = self.copies * self.width
        groups = channels if depthwise else self.copies
        return nn.Conv2d(channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """All groups side by side, [B, groups * width, H, W] to the same."""
        return self._run(x, slice(None), self.repeats, self.copies)

    def of(self, x: Tensor, group: int) -> Tensor:
        """Pictures [N, width, H, W] of one group to the same."""
        rows = slice(group * self.width, (group + 1) * self.width) if self.copies > 1 else slice(None)
        return self._run(x, rows, 1, 1)

    def _run(self, x: Tensor, rows: slice, repeats: int, copies: int) -> Tensor:
        """In float32 (float64 where the weights are) even under autocast: in bfloat16 torch's gradients of grouped
        dilated convolutions are not finite on CPUs (oneDNN, torch 2.13, dilation 4 and 8)."""
        with torch.autocast(x.device.type, enabled=False):
            return self._steps(x, rows, repeats, copies).to(x.dtype)

    def _steps(self, x: Tensor, rows: slice, repeats: int, copies: int) -> Tensor:
        for conv in self._convolutions():
            assert conv.bias is not None
            precision = torch.promote_types(conv.weight.dtype, torch.float32)
            weight, bias = conv.weight[rows].to(precision), conv.bias[rows].to(precision)
            if repeats > 1:
                weight, bias = weight.repeat(repeats, 1, 1, 1), bias.repeat(repeats)
            groups = conv.groups // self.copies * copies * repeats
            x = F.conv2d(x.to(precision), weight, bias, 1, conv.padding, conv.dilation, groups)
        return x

    @torch.no_grad()
    def start(self, noise: float) -> None:
        """As the identity plus `noise` times what the weights are now."""
        for conv in self._convolutions():
            inward = conv.weight.shape[1]
            middle = conv.kernel_size[0] // 2
            conv.weight.mul_(noise)
            rows = torch.arange(len(conv.weight))
            conv.weight[rows, rows % inward, middle, middle] += 1
            if conv.bias is not None:
                conv.bias.zero_()

    def _convolutions(self) -> list[nn.Conv2d]:
        return [step for step in self.steps if isinstance(step, nn.Conv2d)]
