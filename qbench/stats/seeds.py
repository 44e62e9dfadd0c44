"""Differences between two methods that were each trained several times: over samples and over trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from qbench.stats.bootstrap import Numbers, percentile, standard
from qbench.stats.intervals import LEVEL


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


def standard_error(by_pair: Numbers, drawn: Numbers, samples: int) -> tuple[float, float]:
    """Of a mean difference over several pairs of trainings and over samples, with its degrees of freedom.

    `by_pair` [pairs] holds the differences on all `samples`, `drawn` [resamples] the bootstrap by sample of their mean.
    It is the root of the two variances' sum (over pairs: s²/pairs; over samples: that of `drawn`), with Satterthwaite's
    degrees of freedom (Biometrics Bulletin 2, 1946); zero, with one of them, where nothing varies."""
    known = drawn[~np.isnan(drawn)]
    of_pairs = float(by_pair.std(ddof=1)) ** 2 / len(by_pair)
    of_samples = float(known.var(ddof=1)) if len(known) > 1 else float("nan")
    whole = of_pairs + of_samples
    if whole == 0:
        return 0.0, 1.0
    return sqrt(whole), whole**2 / (of_pairs**2 / (len(by_pair) - 1) + of_samples**2 / max(1, samples - 1))


def over_seeds(
    by_pair: Numbers, drawn: Numbers, samples: int, level: float = LEVEL, bootstrap: str = "percentile"
) -> SeedDifference:
    """The interval of a mean difference over pairs of trainings and over samples.

    `by_pair` [pairs] holds the differences on all `samples`, `drawn` [resamples] the bootstrap by sample of their mean.
    One pair has the percentile or the standard interval of `drawn`, which speaks of these weights only. Several have
    the mean plus or minus Student's t times their `standard_error`. A bootstrap that resamples three trainings would be
    too narrow: it sees two thirds of their variance, and no heavier tails than the normal's."""
    from scipy.special import stdtrit

    mean = float(by_pair.mean())
    count = len(by_pair)
    if count == 1:
        interval = percentile(drawn, level) if bootstrap == "percentile" else standard(drawn, mean, samples, level)
        return SeedDifference(mean, *interval, (mean,), None)
    error, freedom = standard_error(by_pair, drawn, samples)
    reach = float(stdtrit(freedom, 0.5 + level / 2)) * error
    spread = float(by_pair.std(ddof=1))
    return SeedDifference(mean, mean - reach, mean + reach, tuple(float(one) for one in by_pair), spread)
