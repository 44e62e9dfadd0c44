"""Comparison of two methods on the same samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbench.stats.bootstrap import RESAMPLES, Flags, Numbers, means, percentile


@dataclass(frozen=True)
class Difference:
    """`mean`: the first side's mean minus the second's, averaged over the cells; `n`: the pairs in each cell."""

    mean: float
    low: float
    high: float
    n: tuple[int, ...]


def difference(
    first: tuple[Numbers, Flags],
    second: tuple[Numbers, Flags],
    seed: int,
    label: str,
    count: int = RESAMPLES,
) -> Difference:
    """The paired difference of two sides, each (values, counts) of [samples, cells], and its 95% bootstrap interval.

    A sample that does not count on one side drops out of both in that cell; `n` shows the pairs left."""
    both = first[1] & second[1]
    gap = np.where(both, first[0], 0.0) - np.where(both, second[0], 0.0)
    n = tuple(int(k) for k in both.sum(axis=0))
    if not n or min(n) == 0:
        return Difference(float("nan"), float("nan"), float("nan"), n)
    low, high = percentile(means(gap, both, seed, label, count).mean(axis=1))
    return Difference(float((gap.sum(axis=0) / both.sum(axis=0)).mean()), low, high, n)
