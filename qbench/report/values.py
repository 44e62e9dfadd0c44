"""Points to numbers with intervals: one condition, an average over conditions, a gain over `direct`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qbench.report.differences import (
    Corrupted,
    by_training,
    difference,
    drawn,
    everything,
    mean_over_conditions,
    paired,
    relative_scores,
)
from qbench.report.leaderboard import DASH, Value
from qbench.report.point import Pair, Point
from qbench.stats.bootstrap import Numbers
from qbench.stats.intervals import wilson
from qbench.stats.seeds import interval as over_trainings


def single(point: Point) -> Value:
    """The metric under one condition: Wilson's interval for a share of hits, else the bootstrap's."""
    is_share = point.metric.is_share and point.values is not None and point.resampling.groups is None
    if point.n and is_share and len(point.by_seed) == 1:
        low, high = wilson(float(np.asarray(point.values)[point.counts].sum()), point.n)
        return Value(point.by_seed[0], low, high, point.n, point.bad)
    return average([point])


def average(points: Sequence[Point]) -> Value:
    """The mean over conditions; the interval resamples the samples (or their groups), all conditions together."""
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0:
        return unlabelled(bad)
    by_seed = np.mean([point.by_seed for point in points], axis=0)
    distribution = np.mean([point.bootstrap() for point in points], axis=0)
    return _over_trainings(points, by_seed, distribution, n, bad)


def average_by_class(points: Sequence[Point]) -> list[Value]:
    """`average` for each class of points that are scored by class; NaN under one condition leaves a dash."""
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0:
        return []
    by_seed = mean_over_conditions([point.over(point.counts).T for point in points])
    distributions = mean_over_conditions([point.bootstrap() for point in points])
    return [
        _over_trainings(points, of_class, distribution, n, bad)
        if not np.isnan(of_class.mean())
        else Value(None, n=n, bad=bad, missing=DASH.missing)
        for of_class, distribution in zip(by_seed.T, distributions.T, strict=True)
    ]


def _over_trainings(points: Sequence[Point], by_seed: Numbers, distribution: Numbers, n: int, bad: int) -> Value:
    """A score, the mean over its trainings, with its interval cut to the metric's range."""
    mean, units = float(by_seed.mean()), min(point.units for point in points)
    low, high = interval(points[0], mean, [by_seed], distribution, units)
    least, most = points[0].metric.metric.range
    return with_interval(mean, max(low, least), min(high, most), n, bad, len(by_seed), spread(by_seed))


def interval(
    point: Point, value: float, trainings: Sequence[Numbers], distribution: Numbers, units: int, is_ratio: bool = False
) -> tuple[float, float]:
    """The 95% interval of a number that was made of points such as this one: with the variance over trainings where
    there are several; else the percentile interval of a mean over samples, the standard one of other statistics (among
    them ratios of means) and of samples in groups. NaN where these are too few."""
    if not point.resampling.is_enough(units):
        return float("nan"), float("nan")
    of_means = point.values is not None and point.resampling.groups is None and not is_ratio
    return over_trainings(value, trainings, distribution, units, bootstrap="percentile" if of_means else "standard")


def spread(by_seed: Numbers) -> float | None:
    """The standard deviation over trainings, where there are several."""
    return float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None


def gain(points: Sequence[Point], others: Sequence[Point]) -> Value:
    """The average minus that of others, such as direct's, paired by sample over those that count on both sides."""
    return gain_of(paired(points, others))


def gain_of(pairs: Sequence[Pair]) -> Value:
    """The mean difference of pairs over conditions. Whether it holds is told once all gains of a page are known."""
    bad = max(pair.bad for pair in pairs)
    found = difference(pairs)
    if found is None:
        return unlabelled(bad)
    trainings = by_training(pairs)
    ends = interval(pairs[0].one, found.value, trainings, drawn(pairs), found.units)
    seeds = max(len(of) for of in trainings)
    over = spread(trainings[0]) if len(trainings) == 1 else None
    return with_interval(found.value, *ends, min(pair.n for pair in pairs), bad, seeds, over, found.p())


def relative(clean: Point, corrupted: Corrupted) -> Value:
    """Performance under corruption over clean performance, as the metric defines it, over families of conditions."""
    points = everything(clean, corrupted)
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0 or not clean.metric.has_relative:
        return unlabelled(bad)
    by_seed, distribution = relative_scores(clean, corrupted)
    mean, units = float(by_seed.mean()), min(point.units for point in points)
    ends = interval(clean, mean, [by_seed], distribution, units, is_ratio=True)
    return with_interval(mean, *ends, n, bad, len(by_seed), spread(by_seed))


def unlabelled(bad: int) -> Value:
    return Value(None, n=0, bad=bad, missing="unlabelled")


def with_interval(
    value: float,
    low: float,
    high: float,
    n: int,
    bad: int,
    seeds: int,
    spread: float | None = None,
    p: float | None = None,
) -> Value:
    """A value and its interval; one without width is none: samples that are all alike say nothing of others. NaN, which
    metrics give where there is no score, is n/a."""
    if np.isnan(value):
        return Value(None, n=n, bad=bad, missing="n/a")
    ends = (_number(low), _number(high)) if _is_wide(low, high) else (None, None)
    return Value(float(value), *ends, n, bad, seeds, spread, p=_number(p))


def _is_wide(low: float, high: float) -> bool:
    return high - low > 1e-9


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
