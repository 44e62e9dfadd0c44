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


def over_seeds(
    by_pair: Numbers, drawn: Numbers, samples: int, level: float = LEVEL, bootstrap: str = "percentile"
) -> SeedDifference:
    """The interval of a mean difference over pairs of trainings and over samples, or of a score over its trainings.

    `by_pair` [pairs] holds the numbers on all `samples` (or groups of them, where those are resampled), `drawn`
    [resamples] the bootstrap of their mean. One pair has the percentile or the standard interval of `drawn`, which
    speaks of these weights only. Several have the mean plus or minus Student's t times their `standard_error`. A
    bootstrap that resamples three trainings would be too narrow: it sees two thirds of their variance, and no heavier
    tails than the normal's."""
    mean = float(by_pair.mean())
    count = len(by_pair)
    if count == 1:
        interval = percentile(drawn, level) if bootstrap == "percentile" else standard(drawn, mean, samples, level)
        return SeedDifference(mean, *interval, (mean,), None)
    interval = student(mean, *standard_error([by_pair], drawn, samples), level)
    return SeedDifference(mean, *interval, tuple(float(one) for one in by_pair), float(by_pair.std(ddof=1)))
