"""Restored pictures to records: one number a metric and picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from qbench.errors import DataError, QbenchError
from qbench.quality.pictures import levels, without_border
from qbench.registry.create import create
from qbench.registry.named import Named
from qbench.tasks.outputs import check_count, misfit, tensor_of
from qbench.tasks.restoration import Restoration
from qbench.tasks.restoration.metrics import column
from qbench.tasks.score import Numbers
from qbench.vocabulary import Boxes, Image, Sample

if TYPE_CHECKING:
    from qbench.data.views import View

NEEDS = "pictures [B, 3, H, W]"
FAR = 10
"""Values past it are of another scale, such as 0-255; a network may overshoot, and what it does is cut off."""


@dataclass(frozen=True)
class Measure:
    """One column of the records, and what computes it (see `PictureMetric.measure`)."""

    column: str
    crop_border: int
    needs_clean: bool
    compute: Callable[..., Tensor]

    def of(self, restored: Tensor, targets: Sequence[Image | None]) -> Numbers:
        """[B]; NaN where the measure needs a clean picture and there is none, and where the border is the picture."""
        scores = np.full(len(restored), np.nan)
        if min(restored.shape[-2:]) <= 2 * self.crop_border:
            return scores
        restored = without_border(restored, self.crop_border)
        if not self.needs_clean:
            return self._numbers(restored)
        known = {i: clean for i, clean in enumerate(targets) if clean is not None}
        if known:
            stacked = torch.from_numpy(np.stack(list(known.values()))).to(restored.device)
            clean = without_border(stacked.permute(0, 3, 1, 2).to(restored), self.crop_border)
            scores[list(known)] = self._numbers(restored[list(known)], clean)
        return scores

    def _numbers(self, *pictures: Tensor) -> Numbers:
        """[B]. The measure gets copies and gives one, for it may be a user's own."""
        numbers = torch.as_tensor(self.compute(*(batch.clone() for batch in pictures)))
        if numbers.shape != (len(pictures[0]),):
            raise QbenchError(
                f"the metric {self.column!r} gave values of shape {list(numbers.shape)} for {len(pictures[0])} "
                "pictures; its measure gives one number a picture"
            )
        return numbers.detach().to("cpu", torch.float64, copy=True).numpy()


@dataclass(frozen=True)
class Scoring:
    """The measures that a suite asks for."""

    measures: tuple[Measure, ...]

    def target(self, sample: Sample, viewed: Image, view: View) -> Image | None:
        """The clean picture after the view; None where the sample says that nobody knows it."""
        return target(sample, viewed, view)

    def score(self, output: Tensor, targets: Sequence[Image | None]) -> Mapping[str, Any]:
        """Restored pictures [B, 3, H, W] in [0, 1] and B clean ones, uint8 [H, W, 3], to columns of B float64 numbers.

        As usual in the literature the output is first rounded to 8 bits, as a file would hold it. Raises QbenchError
        for an output that is no pictures, not finite, of another scale or of another size than the clean pictures,
        DataError for no clean picture where every measure needs one."""
        output = tensor_of(output, 4, "restoration", NEEDS)
        if output.shape[1] != 3:
            raise misfit(output, "restoration", NEEDS)
        check_count(output, len(targets), "restoration")
        sizes = {clean.shape[:2] for clean in targets if clean is not None}
        if sizes - {tuple(output.shape[-2:])}:
            size = "x".join(map(str, output.shape[-2:]))
            raise QbenchError(f"the model gives pictures of {size} pixels for clean ones of {sorted(sizes)}")
        if not sizes and all(measure.needs_clean for measure in self.measures):
            raise DataError(
                "the dataset knows no clean pictures; ask for metrics that need none: niqe, niqe-local, pyiqa:musiq"
            )
        low, high = float(output.min()), float(output.max())
        if low < -FAR or high > FAR:
            raise QbenchError(
                f"the model gives values from {low:g} to {high:g}, and restoration needs {NEEDS} in [0, 1]"
            )
        restored = levels(output)
        return {measure.column: measure.of(restored, targets) for measure in self.measures}

    def bad(self, count: int) -> Mapping[str, Any]:
        """The columns of `count` samples that could not be read."""
        return {measure.column: np.full(count, np.nan) for measure in self.measures}


def target(sample: Sample, viewed: Image, view: View) -> Image | None:
    """The clean picture after the view: the sample's own, else the sample's image itself, so that data of other tasks
    (labels, masks, boxes) will do. None for an empty picture, which says that nobody knows the clean one.

    Raises DataError for a clean picture that is not uint8 of three channels, or of another size than the sample's."""
    clean = sample.target
    if clean is None or isinstance(clean, int | np.integer | Boxes):
        return viewed
    if not isinstance(clean, np.ndarray):
        text = f"the clean picture of sample {sample.id!r} is a value of type {type(clean).__name__}"
        raise DataError(f"{text}; expected uint8 {list(sample.image.shape)}, or None where its own picture is clean")
    if clean.ndim != 3:
        return viewed
    if not clean.size:
        return None
    if clean.dtype != np.uint8 or clean.shape != sample.image.shape:
        text = f"the clean picture of sample {sample.id!r} is {clean.dtype} {list(clean.shape)}"
        raise DataError(f"{text}; expected uint8 {list(sample.image.shape)}, as the sample's own")
    return view.apply(clean)


def scoring(metrics: Sequence[Named] = ()) -> Scoring:
    """What computes these metrics (default: those that tables show), one column each.

    Raises WeightsError where a pristine model is missing, QbenchError where pyiqa or its metric is, and for a metric
    without a measure."""
    return Scoring(tuple(map(_measure, metrics or [Named(name=name) for name in Restoration.shown])))


def score(output: Tensor, targets: Sequence[Image | None], metrics: Sequence[Named] = ()) -> Mapping[str, Any]:
    """`scoring(metrics).score(output, targets)`."""
    return scoring(metrics).score(output, targets)


def bad(count: int, metrics: Sequence[Named] = ()) -> Mapping[str, Any]:
    """`scoring(metrics).bad(count)`."""
    return scoring(metrics).bad(count)


def _measure(named: Named) -> Measure:
    metric = create("metric", named)
    if not hasattr(metric, "measure"):
        raise QbenchError(f"the metric {named.name!r} has no `measure()`, which restoration computes its numbers with")
    border = int(getattr(metric, "crop_border", 0))
    return Measure(column(named), border, bool(getattr(metric, "needs_clean", True)), metric.measure())
