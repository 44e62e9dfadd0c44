"""Logits at the picture's size to counts of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qbench.data.views import View
from qbench.errors import BadTarget, DataError, QbenchError
from qbench.tasks.outputs import check_count, misfit, tensor_of
from qbench.vocabulary import Image, Sample

COLUMNS = ("tp", "fp", "fn")
IGNORED = 255

Mask = NDArray[np.uint8]


def target(sample: Sample, viewed: Image, view: View) -> Mask | None:
    """The sample's mask moved along with its picture, by nearest value; None where it has none.

    Raises DataError for a target that is no mask of the picture's size."""
    mask = sample.target
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != sample.image.shape[:2]:
        raise DataError(f"the target of sample {sample.id!r} is not a mask, uint8 of its picture's height and width")
    moved = view.mask(mask)
    if moved.shape != viewed.shape[:2]:
        raise DataError(f"the mask of sample {sample.id!r} is {moved.shape} after the view, its picture {viewed.shape}")
    return moved


def score(logits: Tensor, targets: Sequence[Mask | None]) -> Mapping[str, Any]:
    """Logits [B, K, H, W] and B masks [H, W] (255: ignored; None: ignored everywhere) to columns of B x K counts.

    The class of a pixel is that of the highest logit. See `qbench.tasks.segmentation.metrics` for what is counted.
    Raises QbenchError for what is no logits, not finite or of fewer than two classes, BadTarget for a mask of another
    size or with a class that the model does not know."""
    needs = "logits [B, classes, H, W] of two classes or more"
    logits = tensor_of(logits, 4, "segmentation", needs)
    if logits.shape[1] < 2:
        raise misfit(logits, "segmentation", needs)
    check_count(logits, len(targets), "segmentation")
    if not bool(torch.isfinite(logits).all()):
        raise QbenchError("the model's outputs are not finite")
    batch, classes, *size = logits.shape
    truth = _stacked(targets, tuple(size), classes).to(logits.device)
    first = torch.arange(batch, device=logits.device).view(-1, 1, 1) * classes
    cells = (first + truth) * classes + logits.argmax(1)
    confusion = torch.bincount(cells[truth != IGNORED], minlength=batch * classes**2).view(batch, classes, classes)
    hit = confusion.diagonal(dim1=1, dim2=2)
    counts = {"tp": hit, "fp": confusion.sum(1) - hit, "fn": confusion.sum(2) - hit}
    return {name: list(count.to(torch.int32).cpu().numpy()) for name, count in counts.items()}


def _stacked(targets: Sequence[Mask | None], size: tuple[int, ...], classes: int) -> Tensor:
    """[B, H, W] int64, checked."""
    masks = [np.full(size, IGNORED, dtype=np.uint8) if mask is None else mask for mask in targets]
    for index, mask in enumerate(masks):
        if mask.shape != size:
            raise BadTarget(f"the mask is {mask.shape} pixels, the model's output {size}", index)
        highest = int(mask.max(initial=0, where=mask != IGNORED))
        if highest >= classes:
            raise BadTarget(f"the mask has class {highest}, but the model tells only {classes} classes apart", index)
    return torch.from_numpy(np.stack(masks)).long()


def bad(count: int) -> Mapping[str, Any]:
    """The columns of `count` samples that could not be read."""
    nothing = np.zeros(0, dtype=np.int32)
    return {name: [nothing] * count for name in COLUMNS}
