"""Differences between two methods that were each trained several times: over samples and over trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from qbench.stats.bootstrap import Numbers, percentile, standard
from qbench.stats.intervals import LEVEL, student


@dataclass(frozen=True)
class SeedDifference:
    """`mean` over the pairs of trainings, its interval, and the standard deviation of the pairs' own differences."""

    mean: float
    low: float
    high: float
    by_pair: tuple[float, ...]
    spread: float | None


def pairs(first: Sequence[int], second: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Which trainings are compared: those of the same seed (they start from the same draws and see the same batches);
    every one with the only one of a side that has one; none where the sides have no seed in common."""
    if len(first) == 1 or len(second) == 1:
        return tuple((one, other) for one in sorted(first) for other in sorted(second))
    return tuple((seed, seed) for seed in sorted(set(first) & set(second)))


def standard_error(trainings: Sequence[Numbers], drawn: Numbers, units: int) -> tuple[float, float]:
    """Of a mean over samples and over trainings, with its degrees of freedom.

    `drawn` [resamples] is its bootstrap over `units`, samples or groups of them. `trainings` are the sets of trainings
    whose means are added up, each an array of their own numbers: one of differences where trainings are paired, one for
    each side where they are not. A set of one says nothing of other trainings. The error is the root of the variances'
    sum: s²/k of each set of k, and that of `drawn`, times units / (units - 1) as of any mean. Its degrees of freedom
    are Satterthwaite's (Biometrics Bulletin 2, 1946). Zero, with one of them, where nothing varies; NaN for one."""
    known = drawn[~np.isnan(drawn)]
    if units < 2 or len(known) < 2:
        return float("nan"), float("nan")
    terms = [(float(known.var(ddof=1)) * units / (units - 1), units - 1)]
    terms += [(float(of.var(ddof=1)) / len(of), len(of) - 1) for of in trainings if len(of) > 1]
    whole = sum(variance for variance, _ in terms)
    if whole == 0:
        return 0.0, 1.0
    return sqrt(whole), whole**2 / sum(variance**2 / freedom for variance, freedom in terms)


def interval(
    value: float, trainings: Sequence[Numbers], drawn: Numbers, units: int, level: float = LEVEL,
    bootstrap: str = "percentile",
) -> tuple[float, float]:  # fmt: skip
    """Of `value`, which is made of `trainings`, `drawn` and `units` as in `standard_error`. Where there are several
    trainings, Student's t times that error to both sides: a bootstrap that resamples three trainings would be too
    narrow, since it sees two thirds of their variance, and no heavier tails than the normal's. Else the `percentile` or
    the `standard` interval of `drawn`, which speaks of these weights only."""
    if any(len(of) > 1 for of in trainings):
        return student(value, *standard_error(trainings, drawn, units), level)
    return percentile(drawn, level) if bootstrap == "percentile" else standard(drawn, value, units, level)


def over_seeds(
    by_pair: Numbers, drawn: Numbers, samples: int, level: float = LEVEL, bootstrap: str = "percentile"
) -> SeedDifference:
    """A mean difference over pairs of trainings and over samples, with its `interval`.

    `by_pair` [pairs] holds the differences on all `samples`, `drawn` [resamples] the bootstrap of their mean."""
    mean = float(by_pair.mean())
    spread = float(by_pair.std(ddof=1)) if len(by_pair) > 1 else None
    ends = interval(mean, [by_pair], drawn, samples, level, bootstrap)
    return SeedDifference(mean, *ends, tuple(float(one) for one in by_pair), spread)
