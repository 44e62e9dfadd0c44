"""Comparison of two methods on the same samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from qbench.stats.bootstrap import RESAMPLES, Flags, Numbers, means, percentile
from qbench.stats.intervals import LEVEL, student
from qbench.stats.mcnemar import Discordant

STILL = 1e-9
"""A standard error below which nothing varies."""


@dataclass(frozen=True)
class PairedDifference:
    """A difference on the same samples, and how sure it is. Nothing in it is limited by a number of resamples."""

    value: float
    error: float
    """Its standard error, over samples and trainings (`qbench.stats.seeds.standard_error`); NaN where none is known."""
    freedom: float
    """The degrees of freedom of `error`."""
    units: int
    """What is drawn independently: samples, or groups of them."""
    discordant: Discordant | None = None
    """Of shares of hits under one condition and training: the samples that one side alone gets right."""

    @classmethod
    def none(cls, units: int) -> PairedDifference:
        """Of two sides that are the same in every unit."""
        return cls(0.0, 0.0, 1.0, units)

    def turned(self) -> PairedDifference:
        """The same difference, the other side minus this one."""
        hits = self.discordant
        turned = None if hits is None else replace(hits, first=hits.second, second=hits.first)
        return replace(self, value=-self.value, discordant=turned)

    def p(self) -> float:
        """The two-sided p-value of no difference: McNemar's mid-p for hits, else that of Student's t. Where all units
        differ by as much, that of their signs. NaN where the error is not known."""
        from scipy.special import stdtr

        if isnan(self.value) or isnan(self.error):
            return float("nan")
        if self.discordant is not None:
            return self.discordant.mid_p()
        if self.error < STILL:
            return 1.0 if abs(self.value) < STILL else min(1.0, 2 * 0.5**self.units)
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Tango's score interval for hits, else Student's t; NaN where the error is not known."""
        if self.discordant is not None and not isnan(self.error):
            return self.discordant.interval(level)
        return student(self.value, self.error, self.freedom, level)


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
