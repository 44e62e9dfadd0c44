"""Numbers that are made of the scores of several conditions, such as a ratio of means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qbench.report.leaderboard import Value
from qbench.report.point import Point
from qbench.report.values import interval, spread, unlabelled, with_interval
from qbench.stats.bootstrap import Numbers

Combine = Callable[[Numbers], Numbers]
"""From scores [points, k] to numbers [k]: k is one for each training, or one for each resample."""


def combined(points: Sequence[Point], combine: Combine, *, is_ratio: bool = False) -> Value:
    """What `combine` makes of the points' scores, with its 95% interval: all of them are resampled together.

    One that `is_ratio` has the standard interval, as `qbench.report.values.interval` says."""
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0:
        return unlabelled(bad)
    by_training = combine(np.array([point.by_seed for point in points]))
    drawn = combine(np.array([point.bootstrap() for point in points]))
    value, units = float(by_training.mean()), min(point.units for point in points)
    ends = interval(points[0], value, [by_training], drawn, units, is_ratio)
    return with_interval(value, *ends, n, bad, len(by_training), spread(by_training))


def ratio(part: Numbers, whole: Numbers) -> Numbers:
    """`part / whole`, NaN where the whole is nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0))
