"""Numbers that are made of the scores of several conditions, such as a ratio of means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qbench.report.leaderboard import Value
from qbench.report.point import Point
from qbench.report.values import with_interval
from qbench.stats.bootstrap import Numbers
from qbench.stats.seeds import over_seeds

Combine = Callable[[Numbers], Numbers]
"""From scores [points, k] to numbers [k]: k is one for each training, or one for each resample."""


def combined(points: Sequence[Point], combine: Combine, *, is_linear: bool = False) -> Value:
    """What `combine` makes of the points' scores, all samples resampled together, with its 95% interval.

    One that `is_linear` in means over samples has the percentile interval; a ratio has the standard one. Several
    trainings have Student's t over both variances (`qbench.stats.seeds.over_seeds`)."""
    n, bad = min(point.n for point in points), max(point.bad for point in points)
    if n == 0:
        return Value(None, n=0, bad=bad, missing="unlabelled")
    by_training = combine(np.array([point.by_seed for point in points]))
    drawn = combine(np.array([point.bootstrap() for point in points]))
    found = over_seeds(by_training, drawn, n, bootstrap=points[0].metric.bootstrap if is_linear else "standard")
    return with_interval(found.mean, found.low, found.high, n, bad, len(by_training), found.spread)


def ratio(part: Numbers, whole: Numbers) -> Numbers:
    """`part / whole`, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)
