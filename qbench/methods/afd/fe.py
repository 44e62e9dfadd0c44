"""FE-Net: a U-Net of RepConv blocks that predicts a correction of the features (arXiv 2401.01724, section III-C)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.afd import Guide, Plan
from qbench.methods.afd.repconv import RepConv


class Fe(nn.Module):
    """[B, C, H, W] features and their drifting map (same size) to a residual [B, C, H, W].

    `release`: the published layers, convolution before pooling, both skips concatenated (115,680 parameters with
    FDE-Net at C = 64). `light`: pooling before convolution and the last skip added, which meets the paper's 0.11 M
    parameters and 0.36 GMACs. `guide` says where the map enters besides the product with the residual, which the
    module around this network takes: at no other place, multiplied with each scale, or concatenated to each scale's
    input. Sides are padded to multiples of 4 by their last row and column and cropped again."""

    def __init__(self, channels: int, base: int, plan: Plan, guide: Guide) -> None:
        super().__init__()
        self.plan, self.guide = plan, guide
        c = base
        extra = c if guide == "concat_each_scale" else 0
        skip = 2 * c if plan == "release" else c
        self.inc = RepConv(channels, c)
        self.down1 = RepConv(c + extra, 2 * c)
        self.down2 = RepConv(2 * c + extra, 4 * c)
        self.up1 = RepConv(4 * c + extra, 2 * c)
        self.up2 = RepConv(4 * c, c)
        self.outc = RepConv(skip, channels)
        widths = {"mul_residual": [], "mul_each_scale": [c, 2 * c, 4 * c], "concat_each_scale": [c, c, c]}[guide]
        self.heads = nn.ModuleList([nn.Conv2d(channels, width, 1) for width in widths])

    def forward(self, features: Tensor, fdm: Tensor | None) -> Tensor:
        """The map may be missing where the guide is `mul_residual`."""
        height, width = features.shape[-2:]
        x = _padded(features)
        fdm = None if self.guide == "mul_residual" or fdm is None else _padded(fdm)
        residual = self._light(x, fdm) if self.plan == "light" else self._release(x, fdm)
        return residual[:, :, :height, :width]

    def _light(self, x: Tensor, fdm: Tensor | None) -> Tensor:
        s1 = F.relu(self.inc(x))
        s2 = F.relu(self.down1(self._guided(F.max_pool2d(s1, 2), fdm, 0)))
        x = F.relu(self.down2(self._guided(F.max_pool2d(s2, 2), fdm, 1)))
        x = _double(F.relu(self.up1(self._guided(x, fdm, 2))), aligned=False)
        x = _double(F.relu(self.up2(torch.cat((x, s2), 1))), aligned=False)
        out: Tensor = self.outc(x + s1)
        return out

    def _release(self, x: Tensor, fdm: Tensor | None) -> Tensor:
        s1 = F.relu(self.inc(x))
        s2 = F.max_pool2d(F.relu(self.down1(self._guided(s1, fdm, 0))), 2)
        x = F.max_pool2d(F.relu(self.down2(self._guided(s2, fdm, 1))), 2)
        x = _double(F.relu(self.up1(self._guided(x, fdm, 2))), aligned=True)
        x = _double(F.relu(self.up2(torch.cat((x, s2), 1))), aligned=True)
        out: Tensor = self.outc(torch.cat((x, s1), 1))
        return out

    def _guided(self, x: Tensor, fdm: Tensor | None, place: int) -> Tensor:
        if fdm is None:
            return x
        head = torch.sigmoid(self.heads[place](F.adaptive_avg_pool2d(fdm, (x.shape[-2], x.shape[-1]))))
        return x * 2 * head if self.guide == "mul_each_scale" else torch.cat((x, head), 1)


def _padded(x: Tensor) -> Tensor:
    right, bottom = -x.shape[-1] % 4, -x.shape[-2] % 4
    x = torch.cat((x, x[..., -1:].expand(-1, -1, -1, right)), -1) if right else x
    return torch.cat((x, x[..., -1:, :].expand(-1, -1, bottom, -1)), -2) if bottom else x


def _double(x: Tensor, aligned: bool) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=aligned)
