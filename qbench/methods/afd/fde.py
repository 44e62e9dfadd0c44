"""FDE-Net: how far each feature drifts, estimated block by block from DCT coefficients; and an image-level gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.afd.dct import BLOCK, FREQUENCIES, BlockDct


class Fde(nn.Module):
    """[B, 192, h, w] coefficients to the feature drifting map [B, C, h, w] in (0, 1).

    Three 1x1 convolutions, so that a block sees only itself (arXiv 2401.01724, section III-B)."""

    def __init__(self, channels: int, widths: tuple[int, int] = (128, 64)) -> None:
        super().__init__()
        first, second = widths
        self.conv1 = nn.Conv2d(3 * FREQUENCIES, first, 1)
        self.conv2 = nn.Conv2d(first, second, 1)
        self.conv3 = nn.Conv2d(second, channels, 1)

    def forward(self, coefficients: Tensor) -> Tensor:
        hidden = F.relu(self.conv2(F.relu(self.conv1(coefficients))))
        return torch.sigmoid(self.conv3(hidden))


class Gate(nn.Module):
    """One number in [0, 1] for each image: 0 where its 8x8 grid shows no quantisation, so that it passes unchanged.

    An addition to the published module, which is trained on compressed images alone. Quantisation leaves many
    coefficients of the aligned grid near zero; the same count on the grid shifted by half a block is what the scene
    itself would give. The differences, for each luma frequency and three tolerances, go through two linear layers
    and a hard sigmoid, which reaches 0 and 1 exactly."""

    tolerances: Tensor

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.register_buffer("tolerances", torch.tensor([2.0, 8.0, 24.0]) / 255, persistent=False)
        self.hidden = nn.Linear(3 * FREQUENCIES, hidden)
        self.out = nn.Linear(hidden, 1)

    def statistics(self, dct: BlockDct, luma: Tensor) -> Tensor:
        """[B, 1, 8h, 8w] luma to [B, 192]: excess of near-zero coefficients of the aligned over the shifted grid.

        Where a side is one block long, its last row or column is repeated under the shifted grid."""
        shifted = _two_blocks(luma)[:, :, 4:-4, 4:-4]
        return self._near_zero(dct.coefficients(luma)) - self._near_zero(dct.coefficients(shifted))

    def _near_zero(self, coefficients: Tensor) -> Tensor:
        tolerances = self.tolerances.view(1, 3, 1, 1, 1)
        return torch.exp(-((coefficients[:, None] / tolerances) ** 2)).mean(dim=(-2, -1)).flatten(1)

    def logits(self, dct: BlockDct, luma: Tensor) -> Tensor:
        """[B]: the evidence for compression before the hard sigmoid."""
        hidden = F.relu(self.hidden(self.statistics(dct, luma)))
        evidence: Tensor = self.out(hidden)
        return evidence.flatten()

    def forward(self, dct: BlockDct, luma: Tensor) -> Tensor:
        """[B, 1, 8h, 8w] luma to [B] in [0, 1]."""
        return (self.logits(dct, luma) + 0.5).clamp(0, 1)


def _two_blocks(luma: Tensor) -> Tensor:
    height, width = luma.shape[-2:]
    if min(height, width) >= 2 * BLOCK:
        return luma
    return F.pad(luma, (0, max(0, 2 * BLOCK - width), 0, max(0, 2 * BLOCK - height)), mode="replicate")
