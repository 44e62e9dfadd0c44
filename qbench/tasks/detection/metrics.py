"""COCO's average precision and average recall of detection records, resampled by picture, and rPC.

Pictures are matched once, by the library (see `matching`); every set of weights is then scored from that. A score
is NaN where there is no object to be found (COCO's code says -1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from qbench.errors import QbenchError
from qbench.registry import metric
from qbench.tasks.detection.curves import blocks, mean, precision, recall, wanted, whole
from qbench.tasks.detection.matching import MOST, Matches, Whole, gather, matches, scored
from qbench.tasks.score import Columns, Numbers, OneClass, counted

__all__ = ["class_ap", "rpc", "scored"]


def _over_blocks(records: Columns, weights: Numbers, area: str, score: Callable[[Matches, Whole], Numbers]) -> Numbers:
    """`score(matches, [resamples, samples])` for weights of any shape, [..., samples] to [...]."""
    matched = matches(gather(records), area)
    counts = whole(weights)
    rows = counts.reshape(-1, counts.shape[-1])
    values = [score(matched, block) for block in blocks(rows, matched)]
    joined = np.concatenate(values) if values else np.zeros(0)
    return joined.reshape((*counts.shape[:-1], *joined.shape[1:]))


COLUMNS = ("det_corners", "det_scores", "det_labels", "gt_corners", "gt_labels", "gt_crowd", "gt_area", "labelled")
RESAMPLES = 200


def rpc(clean: Any, corrupted: Mapping[str, Sequence[Any]] | Sequence[Sequence[Any]]) -> Numbers:
    """Relative performance under corruption: mean performance under corruption over clean performance.

    `corrupted` holds a list for each corruption with a score (or an array of resampled scores, shaped like `clean`) for
    each severity. Severities are averaged in each corruption, then corruptions; NaN where clean performance is 0.
    Michaelis et al., Benchmarking Robustness in Object Detection (2019), equations 1 and 2, arXiv 1907.07484.
    Raises QbenchError for no corruptions, or a corruption without severities."""
    rows = list(corrupted.values()) if isinstance(corrupted, Mapping) else list(corrupted)
    if not rows or any(not len(row) for row in rows):
        raise QbenchError("rPC needs at least one corruption, and a score for each of its severities")
    averaged = np.mean([np.mean(np.asarray(row, dtype=np.float64), axis=0) for row in rows], axis=0)
    reference = np.asarray(clean, dtype=np.float64)
    return np.asarray(np.divide(averaged, reference, out=np.full(averaged.shape, np.nan), where=reference != 0))


class _OfBoxes:
    higher_is_better = True
    range = (0.0, 1.0)
    unit = "percent"
    columns = COLUMNS
    counts = staticmethod(scored)
    resamples = RESAMPLES


class _Detection(_OfBoxes):
    relative = staticmethod(rpc)
    area: ClassVar[str] = "all"

    @classmethod
    def _score(cls, matched: Matches, weights: Whole) -> Numbers:
        raise NotImplementedError

    @classmethod
    def statistic(cls, records: Columns, weights: Numbers) -> Numbers:
        """Weights [..., samples] say how often each sample counts. Raises QbenchError for others than 0, 1, 2, ..."""
        return _over_blocks(records, weights, cls.area, cls._score)


class _Precision(_Detection):
    overlaps: ClassVar[slice] = slice(None)

    @classmethod
    def _score(cls, matched: Matches, weights: Whole) -> Numbers:
        return mean(precision(matched, weights, cls.overlaps), wanted(matched, weights) > 0)


class _Recall(_Detection):
    limit: ClassVar[int] = MOST

    @classmethod
    def _score(cls, matched: Matches, weights: Whole) -> Numbers:
        return mean(recall(matched, weights, cls.limit), wanted(matched, weights) > 0)


def class_ap(records: Columns, weights: Numbers, overlaps: slice = slice(None)) -> tuple[Whole, Numbers]:
    """The labels of the classes that have objects, [K], and the AP of each, [..., K], under weights [..., samples]."""

    def score(matched: Matches, counts: Whole) -> Numbers:
        values, has_objects = precision(matched, counts, overlaps), wanted(matched, counts) > 0
        columns = [slice(number, number + 1) for number in range(len(matched.classes))]
        averages = [mean(values[:, column], has_objects[:, column]) for column in columns]
        return np.stack(averages, axis=-1) if averages else np.zeros((len(counts), 0))

    return matches(gather(records), "all").classes, _over_blocks(records, weights, "all", score)


class EachAP(_OfBoxes):
    """Average precision of every class at once, [..., K]: the lines of a table by class."""

    def __init__(self, title: str, overlaps: slice = slice(None)) -> None:
        self.title, self.overlaps = title, overlaps

    def statistic(self, records: Columns, weights: Numbers) -> Numbers:
        """K is the highest label of an object, plus one; NaN where a class has no object."""
        labels, values = class_ap(records, weights, self.overlaps)
        every = np.full((*values.shape[:-1], int(labels.max(initial=-1)) + 1), np.nan)
        every[..., labels] = values
        return every

    @staticmethod
    def support(records: Columns) -> list[str]:
        """[K]: how many pictures hold each class, and how many objects of it ask to be found."""
        matched = matches(gather(records), "all")
        objects = dict(zip(matched.classes.tolist(), matched.wanted.T, strict=True))
        return [
            f"{counted((objects[k] > 0).sum(), 'picture')}, {counted(objects[k].sum(), 'object')}"
            if k in objects
            else "no object"
            for k in range(int(matched.classes.max(initial=-1)) + 1)
        ]


@metric("ap", task="detection")
class AveragePrecision(_Precision):
    """Mean over classes, overlaps of 0.50, 0.55, ... 0.95 and 101 recalls of interpolated precision: COCO's AP."""

    title = "AP (%)"
    each = EachAP(title)


@metric("ap50", task="detection")
class AveragePrecision50(_Precision):
    """AP where an overlap of 0.5 is enough."""

    title = "AP50 (%)"
    each = EachAP(title, slice(0, 1))
    overlaps = slice(0, 1)


@metric("ap75", task="detection")
class AveragePrecision75(_Precision):
    """AP where a detection needs an overlap of 0.75."""

    title = "AP75 (%)"
    each = EachAP(title, slice(5, 6))
    overlaps = slice(5, 6)


@metric("ap-small", task="detection")
class AveragePrecisionSmall(_Precision):
    """AP of objects of up to 32 x 32 square pixels in the view."""

    title = "AP small (%)"
    area = "small"


@metric("ap-medium", task="detection")
class AveragePrecisionMedium(_Precision):
    """AP of objects between 32 x 32 and 96 x 96 square pixels in the view."""

    title = "AP medium (%)"
    area = "medium"


@metric("ap-large", task="detection")
class AveragePrecisionLarge(_Precision):
    """AP of objects from 96 x 96 square pixels in the view."""

    title = "AP large (%)"
    area = "large"


@metric("ar1", task="detection")
class AverageRecall1(_Recall):
    """Mean over classes and overlaps of the share of objects found by one detection a picture and class."""

    title = "AR1 (%)"
    limit = 1


@metric("ar10", task="detection")
class AverageRecall10(_Recall):
    """Average recall of ten detections a picture and class."""

    title = "AR10 (%)"
    limit = 10


@metric("ar100", task="detection")
class AverageRecall100(_Recall):
    """Average recall of a hundred detections a picture and class."""

    title = "AR100 (%)"


@metric("ar-small", task="detection")
class AverageRecallSmall(_Recall):
    """Average recall, at a hundred detections, of objects of up to 32 x 32 square pixels."""

    title = "AR small (%)"
    area = "small"


@metric("ar-medium", task="detection")
class AverageRecallMedium(_Recall):
    """Average recall, at a hundred detections, of objects between 32 x 32 and 96 x 96 square pixels."""

    title = "AR medium (%)"
    area = "medium"


@metric("ar-large", task="detection")
class AverageRecallLarge(_Recall):
    """Average recall, at a hundred detections, of objects from 96 x 96 square pixels."""

    title = "AR large (%)"
    area = "large"


@metric("ap:*", task="detection")
class ClassAveragePrecision(OneClass, _OfBoxes):
    """AP of one class: `ap:3` for the class of index 3; NaN where it has no object."""

    noun = "AP"

    def statistic(self, records: Columns, weights: Numbers) -> Numbers:
        labels, values = class_ap(records, weights)
        at = np.flatnonzero(labels == self.number)
        return values[..., at[0]] if len(at) else np.full(values.shape[:-1], np.nan)
