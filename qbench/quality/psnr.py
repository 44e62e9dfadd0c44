"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor

CAP = 100.0
"""dB. Identical pictures have no finite ratio; they count as this, and nothing counts as more, so that a mean over
pictures stays finite and a better picture never counts less."""


def psnr(pictures: Tensor, clean: Tensor) -> Tensor:
    """`10 log10(255^2 / MSE)` in dB, [B], of levels [B, C, H, W]; the mean is over all channels, at most `CAP`."""
    error = (pictures - clean).square().mean(dim=(1, 2, 3))
    return (10 * torch.log10(255**2 / error)).clamp(max=CAP)
