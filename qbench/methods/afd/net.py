"""The adaptive feature de-drifting module (AFD): FDE-Net, FE-Net and their product, as one network."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.afd import AfdOptions
from qbench.methods.afd.backbones import BACKBONES
from qbench.methods.afd.dct import BLOCK, BlockDct
from qbench.methods.afd.fde import Fde, Gate
from qbench.methods.afd.fe import Fe
from qbench.methods.afd.guides import block_inputs
from qbench.methods.afd.repconv import RepConv
from qbench.models.cut import Geometry


def base_width(channels: int) -> int:
    """16 up to 128 channels as published, an eighth of the width beyond."""
    return max(16, channels // 8)


class Afd(nn.Module):
    """`f + scale * r(f / scale) * FDM(x)`, with a final ReLU where the site's features are nonnegative.

    `scale` [C] holds the standard deviations of the clean features, set in training and stored with the weights.
    The map of a block is given to every feature whose receptive-field centre lies in it, so that stems with odd
    sizes (227 -> 111) stay aligned with the 8x8 grid. Built in the training form; `deploy()` merges every RepConv."""

    scale: Tensor

    def __init__(self, options: AfdOptions, geometry: Geometry, form: Literal["train", "deployed"] = "train") -> None:
        super().__init__()
        self.options, self.geometry = options, geometry
        self.dct = BlockDct()
        self.fde = Fde(geometry.channels) if options.fde != "none" else None
        self.fe = _enhancer(options, geometry.channels)
        self.gate = Gate() if options.gate else None
        self.register_buffer("scale", torch.ones(geometry.channels))
        if form == "deployed":
            _merge(self)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Features [B, C, h, w] and the images [B, 3, H, W] in [0, 1] that they come from, to features."""
        planes = self.dct.planes(images)
        scale = self.scale.view(1, -1, 1, 1)
        if self.fde is None:
            change = self._residual(features / scale, None) * scale
        else:
            fdm = self.spread(self.fde(block_inputs(self.options.fde, self.dct, images, planes)), features.shape[-2:])
            change = self._residual(features / scale, fdm) * fdm * scale
        if self.gate is not None:
            change = change * self.gate(self.dct, planes[:, :1]).view(-1, 1, 1, 1)
        return F.relu(features + change) if self.options.nonnegative else features + change

    def _residual(self, features: Tensor, fdm: Tensor | None) -> Tensor:
        residual: Tensor = self.fe(features, fdm) if isinstance(self.fe, Fe) else self.fe(features)
        return residual

    def drifting_map(self, images: Tensor) -> Tensor:
        """[B, C, blocks down, blocks across] in (0, 1); ones without FDE-Net."""
        planes = self.dct.planes(images)
        if self.fde is None:
            rows, columns = planes.shape[-2] // BLOCK, planes.shape[-1] // BLOCK
            return images.new_ones(len(images), self.geometry.channels, rows, columns)
        fdm: Tensor = self.fde(block_inputs(self.options.fde, self.dct, images, planes))
        return fdm

    def spread(self, fdm: Tensor, size: torch.Size) -> Tensor:
        """The map of every block, repeated over the features whose centre lies in the block."""
        rows = self._blocks(size[0], fdm.shape[-2], fdm.device)
        columns = self._blocks(size[1], fdm.shape[-1], fdm.device)
        # Channels last, so that one contiguous run of channels is copied for each feature.
        last = fdm.permute(0, 2, 3, 1).index_select(1, rows).index_select(2, columns)
        return last.permute(0, 3, 1, 2)

    def _blocks(self, count: int, blocks: int, device: torch.device) -> Tensor:
        centres = self.geometry.offset + self.geometry.stride * torch.arange(count, dtype=torch.float64, device=device)
        return torch.floor(centres / BLOCK).long().clamp(0, blocks - 1)

    @property
    def closing(self) -> tuple[str, ...]:
        """The layers whose weights are all of the residual's last step: at zero, the module starts as the identity."""
        if isinstance(self.fe.outc, RepConv):
            return tuple(f"fe.outc.{last}" for last in ("spread", "mix", "point"))
        return ("fe.outc",)

    def deploy(self) -> Self:
        """A copy with every RepConv merged into one convolution; outputs agree to 1e-5."""
        merged = copy.deepcopy(self)
        _merge(merged)
        return merged


def _enhancer(options: AfdOptions, channels: int) -> nn.Module:
    base = options.base or base_width(channels)
    if options.backbone == "unet":
        return Fe(channels, base, options.plan, options.guide)
    return BACKBONES[options.backbone](channels, base)


def _merge(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, RepConv):
            setattr(module, name, child.deploy())
        else:
            _merge(child)
