"""Points to numbers with intervals: one condition, an average over conditions, a gain over `direct`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from qbench.report.leaderboard import DASH, Value
from qbench.report.point import Pair, Point
from qbench.stats.bootstrap import Numbers, percentile, standard
from qbench.stats.intervals import wilson
from qbench.stats.seeds import over_seeds

SIGNS = 6
"""So many differences that all have one sign are fewer than 5% of such draws where both signs are as likely."""


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
    low, high = _within(point, *_interval(point, distribution, float(mean), n))
    spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
    return with_interval(mean, low, high, n, bad, len(by_seed), spread)


def _interval(point: Point, distribution: Numbers, mean: float, n: int) -> tuple[float, float]:
    """The percentile interval of a mean over samples; of other statistics the standard one."""
    return percentile(distribution) if point.values is not None else standard(distribution, mean, n)


def _within(point: Point, low: float, high: float) -> tuple[float, float]:
    """An interval cut to the metric's range."""
    least, most = point.metric.metric.range
    return (max(low, least), min(high, most)) if point.values is None else (low, high)


def _mean_over_conditions(arrays: Sequence[Numbers]) -> Numbers:
    """The mean of arrays [..., K]; classes that some do not reach are NaN."""
    most = max(array.shape[-1] for array in arrays)
    padded = [np.pad(a, ((0, 0), (0, most - a.shape[-1])), constant_values=np.nan) for a in arrays]
    return np.asarray(np.mean(padded, axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Difference:
    """A paired difference and its 95% interval, over samples that count on both sides."""

    value: float
    low: float
    high: float
    n: int

    @property
    def is_apart(self) -> bool:
        """Whether the interval holds no zero. One without width, where all samples differ by as much, says something
        from SIGNS samples on."""
        if not _is_wide(self.low, self.high):
            return self.n >= SIGNS and self.value != 0
        return self.low > 0 or self.high < 0


def _difference(points: Sequence[Point], others: Sequence[Point]) -> Difference | None:
    """The average minus that of others; None where no sample counts on both sides."""
    pairs = [Pair(*both) for both in zip(points, others, strict=True)]
    if not pairs or (n := min(pair.n for pair in pairs)) == 0:
        return None
    mean = float(np.mean([pair.difference() for pair in pairs]))
    distribution = np.mean([pair.bootstrap() for pair in pairs], axis=0)
    return Difference(mean, *_interval(points[0], distribution, mean, n), n)


def gain(points: Sequence[Point], direct: Sequence[Point]) -> Value:
    """The average minus that of `direct`, over the samples that count on both sides, paired by sample."""
    bad = max(point.bad for point in (*points, *direct))
    found = _difference(points, direct)
    if found is None:
        return _unlabelled(bad)
    return with_interval(found.value, found.low, found.high, found.n, bad, len(points[0].records))


def apart(points: Sequence[Point], others: Sequence[Point]) -> bool:
    """Whether two methods' averages differ by more than chance among the samples may make: the paired 95% interval of
    their difference, over trainings too where there are several, holds no zero."""
    found = _difference(points, others)
    if found is None:
        return False
    trainings = {len(point.records) for point in (*points, *others)}
    if trainings != {1} and len(trainings - {1}) == 1:
        pairs = [Pair(*both) for both in zip(points, others, strict=True)]
        by_training = np.mean([pair.by_training() for pair in pairs], axis=0)
        drawn = np.mean([pair.bootstrap() for pair in pairs], axis=0)
        over = over_seeds(by_training, drawn, found.n)
        found = Difference(over.mean, over.low, over.high, found.n)
    return found.is_apart


def apart_by_class(points: Sequence[Point], others: Sequence[Point]) -> list[bool]:
    """`apart` for each class of points that are scored by class, over samples alone."""
    pairs = [Pair(*both) for both in zip(points, others, strict=True)]
    n = min(pair.n for pair in pairs)
    if n == 0:
        return []
    scores = [_mean_over_conditions([side(pair).over(pair.samples).T.mean(axis=0)[None] for pair in pairs])
              for side in _SIDES]  # fmt: skip
    drawn = [_mean_over_conditions([side(pair).bootstrap(pair.samples) for pair in pairs]) for side in _SIDES]
    classes = min(array.shape[-1] for array in (*scores, *drawn))
    values, distributions = (sides[0][:, :classes] - sides[1][:, :classes] for sides in (scores, drawn))
    found = (
        Difference(float(values[0, k]), *_interval(points[0], distributions[:, k], float(values[0, k]), n), n)
        for k in range(classes)
    )
    return [one.is_apart for one in found]


_SIDES: tuple[Callable[[Pair], Point], ...] = (lambda pair: pair.one, lambda pair: pair.two)
Corrupted = Mapping[str, Sequence[Point]]
"""A method's points under corruptions, by family of conditions."""


def relative(clean: Point, corrupted: Corrupted) -> Value:
    """Performance under corruption over clean performance, as the metric defines it, over families of conditions."""
    points = [clean, *(point for family in corrupted.values() for point in family)]
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0 or not clean.metric.has_relative:
        return _unlabelled(bad)
    value, drawn = _relative(clean, corrupted)
    return with_interval(value, *standard(drawn, value, n), n, bad, len(clean.by_seed))


def relative_apart(one: tuple[Point, Corrupted], other: tuple[Point, Corrupted]) -> bool:
    """`apart` of two methods' relative performance, each of its clean point and those under corruptions."""
    n = min(point.n for clean, corrupted in (one, other) for point in (clean, *chain(*corrupted.values())))
    if n == 0:
        return False
    (ours, drawn), (theirs, drawn_too) = _relative(*one), _relative(*other)
    return Difference(ours - theirs, *standard(drawn - drawn_too, ours - theirs, n), n).is_apart


def _relative(clean: Point, corrupted: Corrupted) -> tuple[float, Numbers]:
    """Relative performance, and its distribution [resamples]."""
    definition: Any = getattr(clean.metric.metric, "relative", None)
    scores = {family: [np.mean(point.by_seed) for point in points] for family, points in corrupted.items()}
    distributions = {family: [point.bootstrap() for point in points] for family, points in corrupted.items()}
    return float(definition(np.mean(clean.by_seed), scores)), definition(clean.bootstrap(), distributions)


def _unlabelled(bad: int) -> Value:
    return Value(None, n=0, bad=bad, missing="unlabelled")


def with_interval(
    value: float, low: float, high: float, n: int, bad: int, seeds: int, spread: float | None = None
) -> Value:
    """A value and its interval; one without width is none: samples that are all alike say nothing of others. NaN, which
    metrics give where there is no score, is n/a."""
    if np.isnan(value):
        return Value(None, n=n, bad=bad, missing="n/a")
    ends = (_number(low), _number(high)) if _is_wide(low, high) else (None, None)
    return Value(float(value), *ends, n, bad, seeds, spread)


def _is_wide(low: float, high: float) -> bool:
    return high - low > 1e-9


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
