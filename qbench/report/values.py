"""Points to numbers with intervals: one condition, an average over conditions, a gain over `direct`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qbench.report.leaderboard import DASH, Value
from qbench.report.point import Pair, Point
from qbench.stats.bootstrap import Numbers, basic, percentile
from qbench.stats.intervals import wilson


def single(point: Point) -> Value:
    """The metric under one condition: Wilson's interval for a share of hits, else the bootstrap's."""
    if point.n and point.metric.is_share and len(point.by_seed) == 1 and point.values is not None:
        low, high = wilson(float(point.values[point.counts].sum()), point.n)
        return Value(point.by_seed[0], low, high, point.n, point.bad)
    return average([point])


def average(points: Sequence[Point]) -> Value:
    """The mean over conditions; the interval resamples the samples, all conditions together."""
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0:
        return _unlabelled(bad)
    by_seed = np.mean([point.by_seed for point in points], axis=0)
    return _mean_over_seeds(points[0], by_seed, np.mean([point.bootstrap() for point in points], axis=0), n, bad)


def average_by_class(points: Sequence[Point]) -> list[Value]:
    """`average` for each class of points that are scored by class; NaN under one condition leaves a dash."""
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0:
        return []
    by_seed = _mean_over_conditions([point.over(point.counts).T for point in points])
    distributions = _mean_over_conditions([point.bootstrap() for point in points])
    return [
        _mean_over_seeds(points[0], of_class, distribution, n, bad)
        if not np.isnan(of_class.mean())
        else Value(None, n=n, bad=bad, missing=DASH.missing)
        for of_class, distribution in zip(by_seed.T, distributions.T, strict=True)
    ]


def _mean_over_seeds(point: Point, by_seed: Numbers, distribution: Numbers, n: int, bad: int) -> Value:
    mean = by_seed.mean()
    low, high = _interval(point, distribution, float(mean))
    spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
    return _value(mean, low, high, n, bad, len(by_seed), spread)


def _interval(point: Point, distribution: Numbers, mean: float) -> tuple[float, float]:
    """The percentile interval of a mean over samples; of other statistics the basic one, within the metric's range."""
    if point.values is not None:
        return percentile(distribution)
    low, high = basic(distribution, mean)
    least, most = point.metric.metric.range
    return max(low, least), min(high, most)


def _mean_over_conditions(arrays: Sequence[Numbers]) -> Numbers:
    """The mean of arrays [..., K]; classes that some do not reach are NaN."""
    most = max(array.shape[-1] for array in arrays)
    padded = [np.pad(a, ((0, 0), (0, most - a.shape[-1])), constant_values=np.nan) for a in arrays]
    return np.asarray(np.mean(padded, axis=0), dtype=np.float64)


def gain(points: Sequence[Point], direct: Sequence[Point]) -> Value:
    """The average minus that of `direct`, over the samples that count on both sides, paired by sample."""
    pairs = [Pair(*both) for both in zip(points, direct, strict=True)]
    n, bad = min(pair.n for pair in pairs), max(pair.bad for pair in pairs)
    if n == 0:
        return _unlabelled(bad)
    mean = float(np.mean([pair.difference() for pair in pairs]))
    distribution = np.mean([pair.bootstrap() for pair in pairs], axis=0)
    low, high = percentile(distribution) if points[0].values is not None else basic(distribution, mean)
    return _value(mean, low, high, n, bad, len(points[0].records))


def relative(clean: Point, corrupted: Mapping[str, Sequence[Point]]) -> Value:
    """Performance under corruption over clean performance, as the metric defines it, over families of conditions."""
    definition: Any = getattr(clean.metric.metric, "relative", None)
    points = [clean, *(point for family in corrupted.values() for point in family)]
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if definition is None or n == 0:
        return _unlabelled(bad)
    scores = {family: [np.mean(point.by_seed) for point in points] for family, points in corrupted.items()}
    distributions = {family: [point.bootstrap() for point in points] for family, points in corrupted.items()}
    value = float(definition(np.mean(clean.by_seed), scores))
    low, high = basic(definition(clean.bootstrap(), distributions), value)
    return _value(value, low, high, n, bad, len(clean.by_seed))


def _unlabelled(bad: int) -> Value:
    return Value(None, n=0, bad=bad, missing="unlabelled")


def _value(
    value: float, low: float, high: float, n: int, bad: int, seeds: int, spread: float | None = None
) -> Value:  # fmt: skip
    """A number with its interval; NaN, which metrics give where there is no score, is n/a."""
    if np.isnan(value):
        return Value(None, n=n, bad=bad, missing="n/a")
    least, most = (None if np.isnan(bound) else float(bound) for bound in (low, high))
    return Value(float(value), least, most, n, bad, seeds, spread)
