"""Points: a metric's scores of one method under one condition, resampled once for all tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qbench.report.columns import Records
from qbench.report.metric import ShownMetric
from qbench.stats.bootstrap import Flags, Numbers, means, resamples
from qbench.tasks.score import readable

CELLS = 32_000_000
"""Values that are resampled at a time."""


@dataclass(frozen=True)
class Resampling:
    """What keys the resamples of a dataset: the run's seed and what the dataset calls itself."""

    seed: int
    dataset: str


@dataclass(frozen=True)
class Point:
    """One method under one condition: the records of each train_seed, and which samples count in all of them."""

    metric: ShownMetric
    resampling: Resampling
    records: tuple[Records, ...]
    counts: Flags
    bad: int
    """Samples that could not be read for at least one train_seed."""
    together: Together = field(compare=False, repr=False)
    _scores: dict[bytes, Numbers] = field(default_factory=dict, compare=False, repr=False)
    _distributions: dict[bytes, Numbers] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n(self) -> int:
        return int(self.counts.sum())

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
        seed, dataset, count = self.resampling.seed, self.resampling.dataset, self.metric.resamples
        if self.values is not None:
            return means(self.values[:, None], samples[:, None], seed, dataset, count)[:, 0]
        blocks = resamples(len(samples), seed, dataset, count)
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
                distributions = means(*_columns(part), resampling.seed, resampling.dataset, count)
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
    metric: ShownMetric, resampling: Resampling, records: Sequence[Records], together: Together | None = None
) -> Point:
    """The point of one method under one condition, from the records of each of its train_seeds; alone, or one that may
    be resampled with others."""
    counts = np.logical_and.reduce([metric.counts(of_seed) for of_seed in records])
    bad = np.logical_or.reduce([~readable(of_seed) for of_seed in records])
    return Point(metric, resampling, tuple(records), counts, int(bad.sum()), together or Together())


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
    def bad(self) -> int:
        return max(self.one.bad, self.two.bad)

    def by_training(self) -> Numbers:
        """[train_seeds]: the differences of their scores; the only training of a side meets every one of the other."""
        return self.one.over(self.samples) - self.two.over(self.samples)

    def difference(self) -> float:
        """Between the means over train_seeds."""
        return float(self.one.over(self.samples).mean() - self.two.over(self.samples).mean())

    def bootstrap(self) -> Numbers:
        """[resamples] of `difference`."""
        return self.one.bootstrap(self.samples) - self.two.bootstrap(self.samples)
