"""Records of cells to numbers with intervals: one condition, an average over conditions, a gain over `direct`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qbench.engine.run_info import CellInfo
from qbench.report.model import Value
from qbench.report.source import Records
from qbench.stats.bootstrap import Flags, Numbers, means, percentile
from qbench.stats.intervals import wilson
from qbench.stats.paired import difference
from qbench.tasks.classification.metrics import Top1, scored


@dataclass(frozen=True)
class Draws:
    """What keys the resamples of a dataset."""

    seed: int
    dataset: str


@dataclass(frozen=True)
class Point:
    """One method under one condition: its hits, averaged over train_seeds, sample by sample."""

    hits: Numbers
    counts: Flags
    by_seed: tuple[float, ...]
    bad: int

    @property
    def n(self) -> int:
        return int(self.counts.sum())


def point(cells: Sequence[CellInfo], records: Mapping[str, Records]) -> Point:
    """The finished cells of one method under one condition, one for each train_seed."""
    found = [records[cell.key] for cell in cells]
    counts = np.logical_and.reduce([scored(each) for each in found])
    hits = np.stack([Top1.per_sample(each) for each in found])
    bad = np.logical_or.reduce([np.asarray(each["error"], dtype=np.str_) != "" for each in found])
    by_seed = tuple(float(row[counts].mean()) for row in hits) if counts.any() else ()
    return Point(hits.mean(axis=0), counts, by_seed, int(bad.sum()))


def single(one: Point, draws: Draws) -> Value:
    """Accuracy under one condition: Wilson's interval, or the bootstrap's for a mean over train_seeds."""
    if not one.n:
        return Value(None, n=0, bad=one.bad, missing="unlabelled")
    if len(one.by_seed) == 1:
        low, high = wilson(float(one.hits[one.counts].sum()), one.n)
        return Value(one.by_seed[0], low, high, one.n, one.bad)
    return average([one], draws)


def average(points: Sequence[Point], draws: Draws) -> Value:
    """The mean of the conditions' accuracies; the interval resamples the samples, all conditions together."""
    if any(one.n == 0 for one in points):
        return Value(None, n=0, bad=max(one.bad for one in points), missing="unlabelled")
    hits, counts = _columns(points)
    low, high = percentile(means(hits, counts, draws.seed, draws.dataset).mean(axis=1))
    by_seed = np.mean([one.by_seed for one in points], axis=0)
    return Value(
        float(by_seed.mean()),
        low,
        high,
        n=min(one.n for one in points),
        bad=max(one.bad for one in points),
        seeds=len(by_seed),
        spread=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
    )


def gain(points: Sequence[Point], direct: Sequence[Point], draws: Draws) -> Value:
    """The average accuracy minus that of `direct`, over the samples that count on both sides, paired by sample."""
    found = difference(_columns(points), _columns(direct), draws.seed, draws.dataset)
    bad = max(one.bad for one in (*points, *direct))
    if np.isnan(found.mean):
        return Value(None, n=0, bad=bad, missing="unlabelled")
    return Value(found.mean, found.low, found.high, min(found.n), bad, seeds=len(points[0].by_seed))


def _columns(points: Sequence[Point]) -> tuple[Numbers, Flags]:
    return np.stack([one.hits for one in points], axis=1), np.stack([one.counts for one in points], axis=1)
