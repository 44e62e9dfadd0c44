"""Logits to records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qbench.errors import BadTarget, DataError, QbenchError, short
from qbench.tasks.outputs import check_count, misfit, tensor_of
from qbench.vocabulary import Image, Sample

SUM_OF_SHARES = 1e-3
"""How near to 1 the outputs of every sample add up where they are probabilities."""
LARGEST = 2**31 - 1
"""The largest class index that records hold."""
COLUMNS = ("target", "prediction", "rank", "top5", "confidence", "nll", "brier")


def target(sample: Sample, viewed: Image, view: object) -> int | None:
    """The label, whatever the view. Raises DataError for anything but a class index from 0 on, or None."""
    label = sample.target
    if label is None:
        return None
    if isinstance(label, bool | np.bool_) or not isinstance(label, int | np.integer) or not 0 <= label <= LARGEST:
        came = short(label) if np.isscalar(label) else f"a {type(label).__name__}"
        raise DataError(f"the target of sample {sample.id!r} is {came}; expected a class index from 0 on, or None")
    return int(label)


def score(logits: Tensor, targets: Sequence[int | None]) -> Mapping[str, Any]:
    """[B, classes] and B targets (None: unlabelled) to columns of B values; see `bad` for their meaning.

    A tie with the target's logit counts against it. Raises QbenchError for what is no logits, such as
    probabilities, not finite, or of fewer than two classes, and BadTarget for a label that the model does not know."""
    needs = "logits [B, classes] of two classes or more"
    logits = tensor_of(logits, 2, "classification", needs)
    if logits.shape[1] < 2:
        raise misfit(logits, "classification", needs)
    check_count(logits, len(targets), "classification")
    if not bool(torch.isfinite(logits).all()):
        raise QbenchError("the model's outputs are not finite")
    classes = logits.shape[1]
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < SUM_OF_SHARES).all()):
        raise QbenchError("the model gives probabilities, and classification needs logits; leave out its softmax")
    target = torch.tensor([-1 if t is None else t for t in targets])
    if int(target.max()) >= classes:
        message = f"the dataset has label {int(target.max())}, but the model tells only {classes} classes apart"
        raise BadTarget(message, int(target.argmax()))
    values = logits.float().cpu()
    log_probabilities = values.log_softmax(1)
    labelled = target >= 0
    at = target.clamp(min=0).unsqueeze(1)
    rank = (values >= values.gather(1, at)).sum(1) - 1
    top = values.topk(min(5, classes), dim=1).indices
    distance = log_probabilities.exp() - torch.nn.functional.one_hot(at.squeeze(1), classes)
    confidence, prediction = log_probabilities.amax(1).exp(), values.argmax(1)
    nll = -log_probabilities.gather(1, at).squeeze(1)
    return {
        "target": target.to(torch.int32).numpy(),
        "prediction": prediction.to(torch.int32).numpy(),
        "rank": torch.where(labelled, rank, -1).to(torch.int32).numpy(),
        "top5": [row.astype(np.int32) for row in top.numpy()],
        "confidence": confidence.numpy(),
        "nll": torch.where(labelled, nll, torch.nan).numpy(),
        "brier": torch.where(labelled, distance.square().sum(1), torch.nan).numpy(),
    }


def bad(count: int) -> Mapping[str, Any]:
    """The columns of `count` samples that could not be read."""
    nothing = np.full(count, -1, dtype=np.int32)
    no_number = np.full(count, np.nan, dtype=np.float32)
    empty = [np.zeros(0, dtype=np.int32)] * count
    return {
        "target": nothing, "prediction": nothing, "rank": nothing, "top5": empty,
        "confidence": no_number, "nll": no_number, "brier": no_number,
    }  # fmt: skip
