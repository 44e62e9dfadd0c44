"""Comparison of two methods on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

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


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The exact two-sided p-value of McNemar's test: are the samples that only one side gets right split evenly?

    A binomial test of the discordant pairs at 1/2 (McNemar, Psychometrika 12, 1947); 1 where there are none."""
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    discordant = only_first + only_second
    tail = sum(comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * tail / 2**discordant))
