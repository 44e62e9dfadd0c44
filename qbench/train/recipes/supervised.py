"""Losses of a model's predictions, whatever it predicts: from labels, masks or boxes, and from a teacher."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from qbench.data.scenes.scene import CLASSES
from qbench.errors import DataError, QbenchError
from qbench.models.base import LoadedModel
from qbench.models.builtin.box_maps import targets_of
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batch
from qbench.train.recipes.common import Parts

IGNORED = 255


class Supervised:
    """The weighted terms of a recipe for one batch.

    `ce`: cross-entropy of logits, at every pixel where they are maps; `kl`: to the teacher's logits on the clean
    picture; `heat` and `box`: of the built-in detector; `own`: the losses that a network comes with; `l1` and `mse`:
    of restored pictures to the clean ones."""

    def __init__(
        self, parts: Parts, model: LoadedModel, teacher: LoadedModel | None = None, smoothing: float = 0.0
    ) -> None:
        self.parts, self.model, self.teacher, self.loss = parts, model, teacher, parts.spec.loss
        self.smoothing = smoothing

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        values: dict[str, Tensor] = {}
        if "ce" in self.loss or "kl" in self.loss:
            values |= self._of_logits(batch)
        if "heat" in self.loss or "box" in self.loss:
            values |= self._of_middles(batch)
        if "own" in self.loss:
            values |= self._own(batch)
        if "l1" in self.loss or "mse" in self.loss:
            with self.parts.precision():
                restored = self.model.predict(batch.degraded)
            values |= {name: self._weighted(name, x) for name, x in of_pictures(self.loss, restored, batch).items()}
        return values

    def _weighted(self, name: str, value: Tensor) -> Tensor:
        return self.loss[name].weight * value

    def _of_logits(self, batch: Batch) -> dict[str, Tensor]:
        with self.parts.precision():
            logits = of_logits(self.model.logits(batch.degraded), batch)
        return self.of(logits.float(), batch)

    def of(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`ce` and `kl` of logits that are there already."""
        values = {}
        if "ce" in self.loss:
            targets = batch.targets if logits.dim() == 2 else batch.masks
            if targets is None:
                lacking = "labels" if logits.dim() == 2 else "masks"
                raise DataError(f"the loss `ce` needs {lacking}, and the source has none; use `kl`")
            value = F.cross_entropy(logits, targets, label_smoothing=self.smoothing, ignore_index=IGNORED)
            values["ce"] = self._weighted("ce", value)
        if "kl" in self.loss and self.teacher is not None:
            with torch.no_grad():
                expected = self.teacher.logits(batch.clean).float()
            values["kl"] = self._weighted("kl", terms.kl(logits, expected, self.loss["kl"].temperature))
        return values

    def _of_middles(self, batch: Batch) -> dict[str, Tensor]:
        if batch.masks is None or batch.instances is None:
            raise DataError("the losses `heat` and `box` need masks and instances, as `scenes` has them")
        heat, sides, counts = targets_of(batch.masks, batch.instances, len(CLASSES))
        with self.parts.precision(), self.model.given(batch.degraded):
            maps = self.model.net(self.model.normalise(batch.degraded)).float()
        values = {"heat": focal(maps[:, :-4], heat), "box": 1 - giou(maps[:, -4:], sides, counts)}
        return {name: self._weighted(name, value) for name, value in values.items()}

    def _own(self, batch: Batch) -> dict[str, Tensor]:
        if self.model.own_losses is None:
            raise QbenchError("the loss `own` is of networks that come with losses, as torchvision's detectors do")
        if batch.boxes is None:
            raise DataError("the loss `own` needs boxes, and the source has none")
        with _giving_losses(self.model.net), self.parts.precision(), self.model.given(batch.degraded):
            parts = self.model.own_losses(self.model.net, self.model.normalise(batch.degraded), batch.boxes)
        return {name: self._weighted("own", value.float()) for name, value in parts.items()}


def of_logits(output: Any, batch: Batch) -> Tensor:
    """What a model gives for a batch, for `ce` and `kl`. Raises QbenchError where that is boxes or pictures."""
    advice = "detectors learn by `own`, restorers by `l1` or `mse`"
    if not isinstance(output, Tensor) or _are_pictures(output, batch.clean):
        raise QbenchError(f"the losses `ce` and `kl` are of logits, and this model gives none; {advice}")
    return output


def _are_pictures(output: Tensor, like: Tensor) -> bool:
    """Of the size of pictures, and nowhere below 0 or above 1, as logits of three classes are somewhere unless all of
    them are 0."""
    return output.shape == like.shape and bool(((output >= 0) & (output <= 1)).all() and output.any())


def of_pictures(names: Collection[str], restored: Any, batch: Batch) -> dict[str, Tensor]:
    """`l1` and `mse`, those that are wanted, of what a model makes of degraded pictures. Raises QbenchError where that
    is no picture."""
    if not isinstance(restored, Tensor) or restored.shape != batch.clean.shape:
        raise QbenchError("the losses `l1` and `mse` are of restored pictures, and this model gives none")
    return {name: of(restored.float(), batch.clean) for name, of in terms.PICTURE.items() if name in names}


@contextmanager
def _giving_losses(net: nn.Module) -> Iterator[None]:
    """Training mode, in which networks give losses; norms stay as they are, so that measuring moves nothing."""
    before = {module: module.training for module in net.modules()}
    for module in net.modules():
        module.training = before[module] if isinstance(module, _BatchNorm) else True
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


def freeze(net: nn.Module, patterns: Collection[str]) -> None:
    """All parameters learn, but those whose name fits one of `patterns`. Raises QbenchError for one that fits none."""
    net.requires_grad_(True)
    for pattern in patterns:
        fitting = [value for name, value in net.named_parameters() if fnmatchcase(name, pattern)]
        if not fitting:
            raise QbenchError(f"`freeze`: no parameter of the network fits {pattern!r}")
        for value in fitting:
            value.requires_grad_(False)


def training_mode(net: nn.Module) -> None:
    """Training mode; norms whose weights are frozen keep their statistics."""
    net.train()
    for module in net.modules():
        if isinstance(module, _BatchNorm) and not all(p.requires_grad for p in module.parameters()):
            module.eval()


def focal(logits: Tensor, heat: Tensor) -> Tensor:
    """The focal loss of CenterNet over maps [B, K, h, w], divided by the number of middles (alpha 2, beta 4;
    arXiv 1904.07850, equation 1)."""
    at = heat.eq(1).float()
    likely, unlikely = F.logsigmoid(logits), F.logsigmoid(-logits)
    score = logits.sigmoid()
    loss = at * (1 - score) ** 2 * likely + (1 - at) * (1 - heat) ** 4 * score**2 * unlikely
    return -loss.sum() / at.sum().clamp_min(1)


def giou(predicted: Tensor, sides: Tensor, counts: Tensor) -> Tensor:
    """The mean generalised IoU (arXiv 1902.09630) of boxes around one place, given by their sides [B, 4, h, w],
    weighted by counts."""
    area, truth = (((s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3])) for s in (predicted, sides))
    inner, outer = torch.minimum(predicted, sides), torch.maximum(predicted, sides)
    common = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    hull = (outer[:, 0] + outer[:, 2]) * (outer[:, 1] + outer[:, 3])
    union = (area + truth - common).clamp_min(1e-6)
    value = common / union - (hull - union) / hull.clamp_min(1e-6)
    return (value * counts).sum() / counts.sum().clamp_min(1e-6)
