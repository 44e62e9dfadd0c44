"""Paired differences of points, averaged over conditions: between methods, and between two runs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from qbench.report.point import Pair, Point
from qbench.stats.bootstrap import Numbers
from qbench.stats.mcnemar import Discordant, discordant
from qbench.stats.paired import PairedDifference
from qbench.stats.seeds import standard_error

UNKNOWN = float("nan"), float("nan")
Corrupted = Mapping[str, Sequence[Point]]
"""A method's points under corruptions, by family of conditions."""


def paired(points: Sequence[Point], others: Sequence[Point]) -> list[Pair]:
    """Condition by condition."""
    return [Pair(*both) for both in zip(points, others, strict=True)]


def difference(pairs: Sequence[Pair], less: Sequence[Pair] = ()) -> PairedDifference | None:
    """The mean difference over the conditions of `pairs`, less that of other pairs on the same samples (as the change
    of a gain is that of a method less that of direct); None where no sample counts on all sides."""
    every = [*pairs, *less]
    if not every or min(pair.n for pair in every) == 0:
        return None
    value = _mean_difference(pairs) - (_mean_difference(less) if less else 0.0)
    units = min(pair.units for pair in every)
    error, freedom = UNKNOWN
    if every[0].one.resampling.is_enough(units):
        error, freedom = standard_error(by_training(pairs, less), drawn(pairs, less), units)
    return PairedDifference(value, error, freedom, units, _discordant(every[0]) if len(every) == 1 else None)


def _mean_difference(pairs: Sequence[Pair]) -> float:
    return float(np.mean([pair.difference() for pair in pairs]))


def drawn(pairs: Sequence[Pair], less: Sequence[Pair] = ()) -> Numbers:
    """[resamples] of the mean difference."""
    mean = np.mean([pair.bootstrap() for pair in pairs], axis=0)
    return np.asarray(mean - drawn(less) if less else mean, dtype=np.float64)


def by_training(pairs: Sequence[Pair], less: Sequence[Pair] = ()) -> list[Numbers]:
    """Each set of trainings whose means make the mean difference: one of differences where trainings are paired, else
    one for each side."""
    sets = _by_training(pairs)
    others = _by_training(less) if less else []
    if len(sets) == len(others) == 1 and (len(sets[0]) == len(others[0]) or 1 in {len(sets[0]), len(others[0])}):
        return [sets[0] - others[0]]
    return [*sets, *others]


def _by_training(pairs: Sequence[Pair]) -> list[Numbers]:
    if all(pair.is_matched for pair in pairs):
        return [np.mean([pair.by_training() for pair in pairs], axis=0)]
    return [np.mean([pair.one.over(pair.samples) for pair in pairs], axis=0),
            np.mean([pair.two.over(pair.samples) for pair in pairs], axis=0)]  # fmt: skip


def _discordant(pair: Pair) -> Discordant | None:
    """Of hits and misses of single trainings, on samples that stand for themselves."""
    one, two = pair.one, pair.two
    if one.values is None or two.values is None or not one.metric.is_share or one.resampling.groups is not None:
        return None
    if len(one.records) > 1 or len(two.records) > 1:
        return None
    return discordant(one.values[pair.samples] == 1, two.values[pair.samples] == 1)


_SIDES: tuple[Callable[[Pair], Point], ...] = (lambda pair: pair.one, lambda pair: pair.two)


def differences_by_class(points: Sequence[Point], others: Sequence[Point]) -> list[PairedDifference]:
    """`difference` for each class of points that are scored by class; empty where no sample counts on both sides."""
    pairs = paired(points, others)
    if not pairs or min(pair.n for pair in pairs) == 0:
        return []
    units = min(pair.units for pair in pairs)
    scores = [mean_over_conditions([side(pair).over(pair.samples).T for pair in pairs]) for side in _SIDES]
    distributions = [mean_over_conditions([side(pair).bootstrap(pair.samples) for pair in pairs]) for side in _SIDES]
    enough, matched = points[0].resampling.is_enough(units), all(pair.is_matched for pair in pairs)
    classes = min(array.shape[-1] for array in (*scores, *distributions))
    found = []
    for k in range(classes):
        one, two = (side[:, k] for side in scores)
        trainings = [one - two] if matched else [one, two]
        gap = distributions[0][:, k] - distributions[1][:, k]
        error = standard_error(trainings, gap, units) if enough else UNKNOWN
        found.append(PairedDifference(float(one.mean() - two.mean()), *error, units))
    return found


def mean_over_conditions(arrays: Sequence[Numbers]) -> Numbers:
    """The mean of arrays [..., K]; classes that some do not reach are NaN."""
    most = max(array.shape[-1] for array in arrays)
    padded = [np.pad(a, ((0, 0), (0, most - a.shape[-1])), constant_values=np.nan) for a in arrays]
    return np.asarray(np.mean(padded, axis=0), dtype=np.float64)


def relative_scores(clean: Point, corrupted: Corrupted) -> tuple[Numbers, Numbers]:
    """Relative performance [train_seeds], and the distribution [resamples] of its mean."""
    definition: Any = getattr(clean.metric.metric, "relative", None)
    scores = {family: [np.asarray(point.by_seed) for point in points] for family, points in corrupted.items()}
    distributions = {family: [point.bootstrap() for point in points] for family, points in corrupted.items()}
    return definition(np.asarray(clean.by_seed), scores), definition(clean.bootstrap(), distributions)


def everything(clean: Point, corrupted: Corrupted) -> list[Point]:
    """The points behind a relative performance."""
    return [clean, *chain(*corrupted.values())]


def relative_difference(one: tuple[Point, Corrupted], other: tuple[Point, Corrupted]) -> PairedDifference:
    """Of two methods' relative performance, each of its clean point and those under corruptions. Samples count under
    all of them."""
    (ours, distribution), (theirs, other_distribution) = relative_scores(*one), relative_scores(*other)
    units = min(point.units for side in (one, other) for point in everything(*side))
    value = float(ours.mean() - theirs.mean())
    if not one[0].resampling.is_enough(units):
        return PairedDifference(value, *UNKNOWN, units)
    trainings = [ours - theirs] if Pair(one[0], other[0]).is_matched else [ours, theirs]
    return PairedDifference(value, *standard_error(trainings, distribution - other_distribution, units), units)
