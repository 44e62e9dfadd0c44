"""The terms of the losses, each the mean over a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PICTURE = {"l1": F.l1_loss, "mse": F.mse_loss}
"""Terms of a restored picture beside the clean one, by their names on cards."""


def feature(predicted: Tensor, target: Tensor, std: Tensor) -> Tensor:
    """Mean squared error of features [B, C, h, w] divided by the standard deviation [C] of clean ones."""
    return ((predicted - target) / std.view(1, -1, 1, 1)).square().mean()


def kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of softened distributions of logits [B, K], or at every place of maps [B, K, h, w]
    (Hinton et al. 2015, arXiv 1503.02531)."""
    student, teacher = (logits.movedim(1, -1).flatten(0, -2) for logits in (student, teacher))
    expected = F.log_softmax(teacher / temperature, dim=1)
    actual = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(actual, expected, reduction="batchmean", log_target=True) * temperature**2


def deeper(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the mean square of the target: one scale for every layer."""
    return F.mse_loss(predicted, target) / target.square().mean().clamp_min(1e-12)


def contrast(vectors: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of vectors [N, D] with labels [N] (Khosla et al., arXiv 2004.11362, equation 2):
    for every vector, the mean of -log softmax of its cosine similarities over all others, over those of its label."""
    units = F.normalize(vectors, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarities = (units @ units.T / temperature).masked_fill(itself, -torch.inf)
    log_shares = F.log_softmax(similarities, dim=1).masked_fill(itself, 0)
    same = (labels[:, None] == labels[None]) & ~itself
    sums = -(log_shares * same).sum(1) / same.sum(1).clamp_min(1)
    return sums.sum() / same.any(1).sum().clamp_min(1)


def dense(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of logits [B, K, h, w] against the class at the middle of every cell of masks [B, S, S]."""
    step = masks.shape[-1] // logits.shape[-1]
    return F.cross_entropy(logits, masks[:, step // 2 :: step, step // 2 :: step])
