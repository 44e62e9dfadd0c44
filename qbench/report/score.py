"""Records of cells to numbers with intervals: one condition, an average over conditions, a gain over `direct`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from qbench import registry
from qbench.report.model import Unit, Value
from qbench.report.source import Records
from qbench.runs.run_info import CellInfo, MetricInfo
from qbench.stats.bootstrap import RESAMPLES, Flags, Numbers, basic, means, percentile, resamples
from qbench.stats.intervals import wilson
from qbench.stats.paired import difference
from qbench.tasks.restoration.metrics import MeanOfColumn, column
from qbench.tasks.score import Metric, readable


def metric_of(info: MetricInfo) -> Metric:
    """The metric of that name; one whose name ends in `:*` is made of the rest of the name, one with a measure is the
    mean of its column."""
    entry = registry.get("metric", info.name)
    found: Any = entry.target(info.name.split(":", 1)[1]) if entry.name.endswith(":*") else entry.target
    if hasattr(found, "measure"):
        found = MeanOfColumn(found, column(info), info.label)
    chosen: Metric = found
    return chosen


@dataclass(frozen=True)
class Scored:
    """A metric as tables need it."""

    info: MetricInfo
    by_class: bool = False
    """Whether the values are those of every class, [..., K], in place of their mean."""

    @property
    def name(self) -> str:
        return self.info.label or self.info.name

    @cached_property
    def metric(self) -> Metric:
        found: Any = metric_of(self.info)
        chosen: Metric = found.each if self.by_class else found
        return chosen

    @property
    def title(self) -> str:
        """`Top-1 accuracy (%)`; the name for a metric that has no title."""
        return str(getattr(self.metric, "title", self.name))

    @property
    def unit(self) -> Unit:
        found: Unit = getattr(self.metric, "unit", "plain")
        return found

    @property
    def is_share(self) -> bool:
        """Whether a sample is a hit or a miss, so that Wilson's interval is the right one."""
        return bool(getattr(self.metric, "hits", False))

    @property
    def resamples(self) -> int:
        return int(getattr(self.metric, "resamples", RESAMPLES))

    @property
    def bootstrap(self) -> str:
        """The name of the bootstrap's interval that it has."""
        return "percentile" if hasattr(self.metric, "per_sample") else "basic"

    def counts(self, records: Records) -> Flags:
        """[samples]: which of them count."""
        own = getattr(self.metric, "counts", None)
        return np.asarray(own(records) if own else readable(records), dtype=np.bool_)

    def per_sample(self, records: Records) -> Numbers | None:
        """[samples] of a metric that is a mean over samples; None of one that is not."""
        own = getattr(self.metric, "per_sample", None)
        return None if own is None else np.asarray(own(records), dtype=np.float64)


@dataclass(frozen=True)
class Draws:
    """What keys the resamples of a dataset."""

    seed: int
    dataset: str


@dataclass(frozen=True)
class Point:
    """One method under one condition: the records of each train_seed, and which samples count in all of them."""

    scored: Scored
    records: tuple[Records, ...]
    counts: Flags
    bad: int
    _drawn: dict[tuple[Draws, bytes], Numbers] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def values(self) -> Numbers | None:
        """[samples], averaged over train_seeds; None where the metric is no mean over samples."""
        found = [self.scored.per_sample(each) for each in self.records]
        known = [each for each in found if each is not None]
        return np.mean(known, axis=0) if known else None

    @cached_property
    def by_seed(self) -> tuple[float, ...]:
        return tuple(float(v) for v in self.under(self.counts.astype(np.float64)).T) if self.n else ()

    def under(self, weights: Numbers) -> Numbers:
        """[..., train_seeds]: the metric under weights [..., samples]."""
        return np.stack([np.asarray(self.scored.metric.statistic(r, weights)) for r in self.records], axis=-1)

    def bootstrap(self, draws: Draws, counts: Flags) -> Numbers:
        """[resamples] of the metric's mean over train_seeds, over the samples in `counts`; drawn once."""
        key = draws, counts.tobytes()
        if key not in self._drawn:
            self._drawn[key] = self._bootstrap(draws, counts)
        return self._drawn[key]

    def _bootstrap(self, draws: Draws, counts: Flags) -> Numbers:
        count = self.scored.resamples
        if self.values is not None:
            return means(self.values[:, None], counts[:, None], draws.seed, draws.dataset, count)[:, 0]
        blocks = resamples(len(counts), draws.seed, draws.dataset, count)
        return np.concatenate([self.under(np.multiply(weights, counts)).mean(axis=-1) for weights in blocks])


def point(scored: Scored, cells: Sequence[CellInfo], records: Mapping[str, Records]) -> Point:
    """The finished cells of one method under one condition, one for each train_seed."""
    found = tuple(records[cell.place] for cell in cells)
    counts = np.logical_and.reduce([scored.counts(each) for each in found])
    bad = np.logical_or.reduce([~readable(each) for each in found])
    return Point(scored, found, counts, int(bad.sum()))


def single(one: Point, draws: Draws) -> Value:
    """The metric under one condition: Wilson's interval for a share of hits, else the bootstrap's."""
    if not one.n:
        return Value(None, n=0, bad=one.bad, missing="unlabelled")
    if one.scored.is_share and len(one.by_seed) == 1 and one.values is not None:
        low, high = wilson(float(one.values[one.counts].sum()), one.n)
        return Value(one.by_seed[0], low, high, one.n, one.bad)
    return average([one], draws)


def average(points: Sequence[Point], draws: Draws) -> Value:
    """The mean over conditions; the interval resamples the samples, all conditions together."""
    if any(one.n == 0 for one in points):
        return Value(None, n=0, bad=max(one.bad for one in points), missing="unlabelled")
    by_seed = np.mean([one.by_seed for one in points], axis=0)
    drawn = np.mean([one.bootstrap(draws, one.counts) for one in points], axis=0)
    low, high = _interval(points[0], drawn, by_seed.mean())
    return Value(
        _number(by_seed.mean()),
        _number(low),
        _number(high),
        n=min(one.n for one in points),
        bad=max(one.bad for one in points),
        seeds=len(by_seed),
        spread=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
    )


def _interval(one: Point, drawn: Numbers, whole: float) -> tuple[float, float]:
    """The percentile interval of a mean over samples; of other statistics the basic one, within the metric's range."""
    if one.values is not None:
        return percentile(drawn)
    low, high = basic(drawn, float(whole))
    least, most = one.scored.metric.range
    return max(low, least), min(high, most)


def average_by_class(points: Sequence[Point], draws: Draws) -> list[Value]:
    """`average` for each class of points that are scored by class; NaN under one condition leaves a dash."""
    if any(one.n == 0 for one in points):
        return []
    by_seed = _mean([one.under(one.counts.astype(np.float64)).T for one in points])
    drawn = _mean([one.bootstrap(draws, one.counts) for one in points])
    n, bad = min(one.n for one in points), max(one.bad for one in points)
    found = []
    for values, resampled in zip(by_seed.T, drawn.T, strict=True):
        low, high = _interval(points[0], resampled, values.mean())
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        value = Value(_number(values.mean()), _number(low), _number(high), n, bad, len(values), spread)
        found.append(Value(None, n=n, bad=bad, missing="–") if value.value is None else value)
    return found


def _mean(arrays: Sequence[Numbers]) -> Numbers:
    """The mean of arrays [..., K]; classes that some do not reach are NaN."""
    most = max(each.shape[-1] for each in arrays)
    padded = [np.pad(a, ((0, 0), (0, most - a.shape[-1])), constant_values=np.nan) for a in arrays]
    return np.asarray(np.mean(padded, axis=0), dtype=np.float64)


def gain(points: Sequence[Point], direct: Sequence[Point], draws: Draws) -> Value:
    """The average minus that of `direct`, over the samples that count on both sides, paired by sample."""
    bad = max(one.bad for one in (*points, *direct))
    seeds = len(points[0].records)
    if all(one.values is not None for one in (*points, *direct)):
        found = difference(_columns(points), _columns(direct), draws.seed, draws.dataset)
        if np.isnan(found.mean):
            return Value(None, n=0, bad=bad, missing="unlabelled")
        return Value(found.mean, found.low, found.high, min(found.n), bad, seeds=seeds)
    pairs = [(one, other, one.counts & other.counts) for one, other in zip(points, direct, strict=True)]
    if not all(both.any() for _, _, both in pairs):
        return Value(None, n=0, bad=bad, missing="unlabelled")
    whole = [
        float(a.under(both.astype(np.float64)).mean() - b.under(both.astype(np.float64)).mean()) for a, b, both in pairs
    ]
    drawn = np.mean([a.bootstrap(draws, both) - b.bootstrap(draws, both) for a, b, both in pairs], axis=0)
    low, high = basic(drawn, float(np.mean(whole)))
    n = min(int(both.sum()) for _, _, both in pairs)
    return Value(_number(np.mean(whole)), _number(low), _number(high), n, bad, seeds=seeds)


def relative(clean: Point, corrupted: Mapping[str, Sequence[Point]], draws: Draws) -> Value:
    """Performance under corruption over clean performance, as the metric defines it, over families of conditions."""
    own = getattr(clean.scored.metric, "relative", None)
    every = [clean, *(one for points in corrupted.values() for one in points)]
    if own is None or any(one.n == 0 for one in every):
        return Value(None, n=0, bad=clean.bad, missing="unlabelled")
    value = own(np.mean(clean.by_seed), {name: [np.mean(p.by_seed) for p in ps] for name, ps in corrupted.items()})
    families = {name: [one.bootstrap(draws, one.counts) for one in points] for name, points in corrupted.items()}
    low, high = basic(own(clean.bootstrap(draws, clean.counts), families), float(value))
    n, bad = min(one.n for one in every), max(one.bad for one in every)
    return Value(_number(value), _number(low), _number(high), n, bad, seeds=len(clean.by_seed))


def _columns(points: Sequence[Point]) -> tuple[Numbers, Flags]:
    values: list[Any] = [one.values for one in points]
    return np.stack(values, axis=1), np.stack([one.counts for one in points], axis=1)


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
