"""Scores of segmentation records, by numpy alone: counts of pixels are summed over the samples, then divided.

Columns, each with K counts a sample, over the pixels that are not ignored: `tp[k]` pixels of class k that were called
k, `fp[k]` pixels of other classes that were called k, `fn[k]` pixels of class k that were called something else. A
sample whose mask is ignored everywhere has counts of zero, and a sample with an `error` counts in nothing.

A class takes part in a mean over classes where it can have a value: IoU where it is in the truth or in the prediction
of the weighted samples, accuracy where it is in their truth. Where no class has a value, the score is NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.errors import QbenchError
from qbench.registry import metric
from qbench.tasks.score import Columns, Numbers, OneClass, counted, readable

COLUMNS = ("tp", "fp", "fn")


def scored(records: Columns) -> NDArray[np.bool_]:
    """[samples]: readable, and with a pixel that is not ignored."""
    pixels = (_counts(records["tp"]) + _counts(records["fn"])).sum(axis=-1)
    return np.asarray(readable(records) & (pixels > 0))


def totals(records: Columns, weights: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """`tp`, `fp` and `fn` summed over the samples that count, under weights [..., samples]: three times [..., K].

    Raises QbenchError where samples tell different numbers of classes."""
    counting = np.asarray(weights, dtype=np.float64) * readable(records)
    tp, fp, fn = (counting @ _counts(records[name]) for name in COLUMNS)
    if len({sums.shape[-1] for sums in (tp, fp, fn)}) != 1:
        raise QbenchError("the columns tp, fp and fn are not of the same number of classes")
    return tp, fp, fn


def _counts(column: Any) -> Numbers:
    """[samples, K]; unreadable samples, which have no counts, get zeros."""
    if isinstance(column, np.ndarray) and column.ndim == 2:
        return column.astype(np.float64)
    rows = [np.asarray(row, dtype=np.float64) for row in column]
    lengths = {len(row) for row in rows} - {0}
    if len(lengths) > 1:
        numbers = " and ".join(map(str, sorted(lengths)))
        raise QbenchError(f"the records hold counts of {numbers} classes; score them apart")
    counts = np.zeros((len(rows), max(lengths, default=0)))
    for number, row in enumerate(rows):
        counts[number, : len(row)] = row
    return counts


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    """`part / whole`, NaN where the whole is nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0), dtype=np.float64)


def _mean_over_classes(values: Numbers) -> Numbers:
    """[..., K] to [...], over the classes that have a value."""
    has_value = ~np.isnan(values)
    return _ratio(np.where(has_value, values, 0.0).sum(axis=-1), has_value.sum(axis=-1).astype(np.float64))


def class_ious(records: Columns, weights: Numbers) -> Numbers:
    """Intersection over union of each class, [..., K], under weights [..., samples]; NaN for absent classes."""
    tp, fp, fn = totals(records, weights)
    return _ratio(tp, tp + fp + fn)


class _OfPixels:
    higher_is_better = True
    range = (0.0, 1.0)
    unit = "percent"
    columns = COLUMNS
    counts = staticmethod(scored)


class EachIoU(_OfPixels):
    """Intersection over union of every class at once, [..., K]: the lines of a table by class."""

    title = "IoU (%)"
    statistic = staticmethod(class_ious)

    @staticmethod
    def support(records: Columns) -> list[str]:
        """[K]: how many pictures' masks hold each class, and its share of the pixels that are not ignored."""
        truth = (_counts(records["tp"]) + _counts(records["fn"])) * readable(records)[:, None]
        shares = 100 * truth.sum(axis=0) / max(1.0, truth.sum())
        pictures = (truth > 0).sum(axis=0)
        return [f"{counted(n, 'picture')}, {s:.1f}% of pixels" for n, s in zip(pictures, shares, strict=True)]


@metric("miou", task="segmentation")
class MeanIoU(_OfPixels):
    """Mean over classes of intersection over union, `tp / (tp + fp + fn)` of all samples' pixels together.

    Everingham et al., The Pascal Visual Object Classes Challenge (IJCV 2015), section 3.2. Classes that are neither in
    the truth nor in the prediction of the weighted samples are left out of the mean."""

    title = "mIoU (%)"
    each = EachIoU

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers:
        return _mean_over_classes(class_ious(records, weights))


@metric("pixel-accuracy", task="segmentation")
class PixelAccuracy(_OfPixels):
    """Share of the pixels that are not ignored, of all samples together, that got their class."""

    title = "Pixel accuracy (%)"

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers:
        tp, _, fn = totals(records, weights)
        return _ratio(tp.sum(axis=-1), (tp + fn).sum(axis=-1))


@metric("mean-accuracy", task="segmentation")
class MeanAccuracy(_OfPixels):
    """Mean over classes of the share of a class's pixels that got it; classes that the truth lacks are left out."""

    title = "Mean accuracy (%)"

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers:
        tp, _, fn = totals(records, weights)
        return _mean_over_classes(_ratio(tp, tp + fn))


@metric("iou:*", task="segmentation")
class ClassIoU(OneClass, _OfPixels):
    """Intersection over union of one class: `iou:3` for the class of index 3; NaN where it is absent."""

    noun = "IoU"

    def statistic(self, records: Columns, weights: Numbers) -> Numbers:
        """Raises QbenchError where the records have no such class."""
        ious = class_ious(records, weights)
        if self.number >= ious.shape[-1]:
            raise QbenchError(f"the records hold {ious.shape[-1]} classes, none of index {self.number}")
        return ious[..., self.number]
