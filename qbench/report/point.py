"""Points: a metric's scores of one method under one condition, resampled once for all tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qbench.report.columns import Records
from qbench.report.metric import ShownMetric
from qbench.stats.bootstrap import Flags, Groups, Numbers, means, resamples
from qbench.tasks.score import readable

CELLS = 32_000_000
"""Values that are resampled at a time."""


FEWEST = 10
"""Groups of samples below which they say too little of others: their scores have no intervals and are not compared."""


@dataclass(frozen=True)
class Resampling:
    """What the resamples of a dataset follow from: the run's seed, what the dataset calls itself, and the groups that
    its samples belong to, where they do."""

    seed: int
    dataset: str
    groups: Groups | None = None

    def units(self, samples: Flags) -> int:
        """What is drawn independently: the groups with one of these samples, or the samples."""
        return int(samples.sum()) if self.groups is None else self.groups.among(samples)

    def is_enough(self, units: int) -> bool:
        """Whether so many say something of others."""
        return self.groups is None or units >= FEWEST


@dataclass(frozen=True)
class Point:
    """One method under one condition: the records of each train_seed, and which samples count in all of them."""

    metric: ShownMetric
    resampling: Resampling
    records: tuple[Records, ...]
    counts: Flags
    bad: int
    """Samples that could not be read for at least one train_seed."""
    train_seeds: tuple[int, ...]
    together: Together = field(compare=False, repr=False)
    _scores: dict[bytes, Numbers] = field(default_factory=dict, compare=False, repr=False)
    _distributions: dict[bytes, Numbers] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def units(self) -> int:
        return self.resampling.units(self.counts)

    @cached_property
    def values(self) -> Numbers | None:
        """[samples], averaged over train_seeds; None where the metric is no mean over samples."""
        by_seed = [self.metric.per_sample(records) for records in self.records]
        known = [values for values in by_seed if values is not None]
        return np.mean(known, axis=0) if known else None

    @cached_property
    def by_seed(self) -> tuple[float, ...]:
        return tuple(float(v) for v in self.over(self.counts).T) if self.n else ()

    def over(self, samples: Flags) -> Numbers:
        """[train_seeds] (of each class behind them): the metric over these samples, each of them once."""
        key = samples.tobytes()
        if key not in self._scores:
            self._scores[key] = self._weighted(samples.astype(np.float64))
        return self._scores[key]

    def bootstrap(self, samples: Flags | None = None) -> Numbers:
        """[resamples] of the metric's mean over train_seeds, over these samples (all that count where none are given);
        drawn once."""
        samples = self.counts if samples is None else samples
        key = samples.tobytes()
        if key not in self._distributions:
            self.together.draw()
        if key not in self._distributions:
            self._distributions[key] = self._bootstrap(samples)
        return self._distributions[key]

    def drawn(self, distribution: Numbers) -> None:
        """Keep the bootstrap over all samples that count."""
        self._distributions[self.counts.tobytes()] = distribution

    def _bootstrap(self, samples: Flags) -> Numbers:
        key = self.resampling.seed, self.resampling.dataset, self.metric.resamples, self.resampling.groups
        if self.values is not None:
            return means(self.values[:, None], samples[:, None], *key)[:, 0]
        blocks = resamples(len(samples), *key)
        return np.concatenate([self._weighted(np.multiply(weights, samples)).mean(axis=-1) for weights in blocks])

    def _weighted(self, weights: Numbers) -> Numbers:
        """[..., train_seeds]: the metric under weights [..., samples]."""
        return np.stack([np.asarray(self.metric.metric.statistic(r, weights)) for r in self.records], axis=-1)


@dataclass(frozen=True)
class Together:
    """Points of one metric and dataset. Where they are means over samples, the first bootstrap that is asked for draws
    those of all that wait, as columns of one matrix."""

    waiting: list[Point] = field(default_factory=list)

    def draw(self) -> None:
        """Draw what waits; later points wait for the next time."""
        points = [point for point in self.waiting if point.n and point.values is not None]
        self.waiting.clear()
        by_size: dict[tuple[Resampling, int, int], list[Point]] = {}
        for point in points:
            by_size.setdefault((point.resampling, len(point.counts), point.metric.resamples), []).append(point)
        for (resampling, samples, count), alike in by_size.items():
            most = max(1, CELLS // samples)
            for part in (alike[start : start + most] for start in range(0, len(alike), most)):
                key = resampling.seed, resampling.dataset, count, resampling.groups
                distributions = means(*_columns(part), *key)
                for point, distribution in zip(part, distributions.T.copy(), strict=True):
                    point.drawn(distribution)


def _columns(points: Sequence[Point]) -> tuple[Numbers, Flags]:
    """Values [samples, points], and which count, in one column where it is the same for all."""
    values = np.stack([point.values for point in points if point.values is not None], axis=1)
    counts = points[0].counts
    if all(np.array_equal(counts, point.counts) for point in points):
        return values, counts[:, None]
    return values, np.stack([point.counts for point in points], axis=1)


def point(
    metric: ShownMetric,
    resampling: Resampling,
    records: Sequence[Records],
    together: Together | None = None,
    train_seeds: Sequence[int] = (),
) -> Point:
    """The point of one method under one condition, from the records of each of its train_seeds; alone, or one that may
    be resampled with others."""
    counts = np.logical_and.reduce([metric.counts(of_seed) for of_seed in records])
    bad = np.logical_or.reduce([~readable(of_seed) for of_seed in records])
    together = Together() if together is None else together
    return Point(metric, resampling, tuple(records), counts, int(bad.sum()), tuple(train_seeds), together)


@dataclass(frozen=True)
class Pair:
    """Two methods under one condition, on the samples that count for both."""

    one: Point
    two: Point

    @cached_property
    def samples(self) -> Flags:
        return self.one.counts & self.two.counts

    @property
    def n(self) -> int:
        return int(self.samples.sum())

    @property
    def units(self) -> int:
        return self.one.resampling.units(self.samples)

    @property
    def bad(self) -> int:
        return max(self.one.bad, self.two.bad)

    @property
    def is_matched(self) -> bool:
        """Whether trainings are compared in pairs: those of the same seed, or all with the only one of a side."""
        seeds = self.one.train_seeds, self.two.train_seeds
        return seeds[0] == seeds[1] or 1 in {len(self.one.records), len(self.two.records)}

    def by_training(self) -> Numbers:
        """[train_seeds]: the differences of their scores; the only training of a side meets every one of the other."""
        return self.one.over(self.samples) - self.two.over(self.samples)

    def difference(self) -> float:
        """Between the means over train_seeds."""
        return float(self.one.over(self.samples).mean() - self.two.over(self.samples).mean())

    def bootstrap(self) -> Numbers:
        """[resamples] of `difference`."""
        return self.one.bootstrap(self.samples) - self.two.bootstrap(self.samples)
