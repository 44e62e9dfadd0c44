"""The numbers that a gate watches, each of both runs, with their paired difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.gate.rules import Kind
from qbench.report.columns import same_records
from qbench.report.differences import difference
from qbench.report.grid import DIRECT, Grid, Grids, is_clean
from qbench.report.leaderboard import Unit
from qbench.report.point import Pair, Point
from qbench.report.source import columns_of
from qbench.stats.paired import PairedDifference

AVERAGE: Kind = "average"
GAIN: Kind = "gain"
CELL: Kind = "cell"


@dataclass(frozen=True)
class Figure:
    """A score of both runs, and how much better it became."""

    kind: Kind
    metric: str
    unit: Unit
    task: str
    dataset: str
    model: str
    method: str
    condition: str
    before: float
    now: float
    scale: float
    """The method's own score before, which a gain's drop is measured against too."""
    difference: PairedDifference
    """How much better it became, whatever the metric's direction."""
    n: int
    is_identical: bool
    higher_is_better: bool = True

    @property
    def names(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("metric", "dataset", "model", "method", "condition")}

    @property
    def name(self) -> str:
        """How it is printed and accepted."""
        what = self.condition if self.kind == CELL else self.kind
        return " / ".join([self.task, self.dataset, self.model, self.method, what, self.metric])

    @property
    def change(self) -> float:
        """Positive where it became better."""
        return self.difference.value


def figures(before: Grids, now: Grids) -> Iterator[Figure]:
    """Of all cells that the baseline has done and scored: averages, gains, and single conditions."""
    for grid, other in _meeting(before, now):
        yield from (figure for figure in _of_place(grid, other) if not np.isnan(figure.before))


def denominators(before: Grids, now: Grids) -> Iterator[str]:
    """Where a metric has a score of other samples than before, as of a picture that is no longer restored: on what is
    left of both, such a loss would not be seen."""
    for grid, other in _meeting(before, now):
        for method, condition in product(grid.methods(), grid.conditions):
            was, point = grid.point(method, condition), _point(other, method.label, condition.label)
            if was is not None and point is not None and not np.array_equal(was.counts, point.counts):
                where = " / ".join([grid.place.model, method.label, condition.label, grid.metric.name])
                yield f"{where}: {was.n} samples had a score, and now {point.n}; they must be the same"


def _meeting(before: Grids, now: Grids) -> Iterator[tuple[Grid, Grid]]:
    """The grids of both runs at each place, of metrics that say which way is better."""
    for task, item in before.metrics:
        places = {(grid.place.dataset, grid.place.view, grid.place.model): grid for grid in now.of(task, item)}
        for grid in before.of(task, item):
            other = places.get((grid.place.dataset, grid.place.view, grid.place.model))
            if other is not None and grid.metric.higher_is_better is not None:
                yield grid, other


def _of_place(before: Grid, now: Grid) -> Iterator[Figure]:
    methods = before.methods()
    direct = next((method for method in methods if method.name == DIRECT), None)
    degraded = [condition for condition in before.conditions if not is_clean(condition)]
    of_direct = _sides(before, now, direct, degraded) if direct else []
    for method in methods:
        sides = _sides(before, now, method, degraded)
        if sides:
            yield _figure(AVERAGE, before, method, "", [sides])
        if sides and of_direct and method != direct:
            yield _figure(GAIN, before, method, "", [sides, of_direct])
        for condition in before.conditions:
            pair = _sides(before, now, method, [condition])
            if pair:
                yield _figure(CELL, before, method, condition.label, [pair])


def _sides(before: Grid, now: Grid, method: MethodItem, conditions: Sequence[ConditionItem]) -> list[Pair]:
    """The points of both runs under the conditions, now first; empty where one is missing or has no sample that counts
    in both."""
    pairs = []
    for condition in conditions:
        was, point = before.point(method, condition), _point(now, method.label, condition.label)
        if was is None or point is None or len(was.records) != len(point.records):
            return []
        pairs.append(Pair(point, was))
    return pairs if all(pair.n for pair in pairs) else []


def _point(grid: Grid, method: str, condition: str) -> Point | None:
    """By labels: parameters of a method may differ."""
    methods = [one for one in grid.methods() if one.label == method]
    conditions = [one for one in grid.conditions if one.label == condition]
    return grid.point(methods[0], conditions[0]) if methods and conditions else None


def _figure(kind: Kind, grid: Grid, method: MethodItem, condition: str, sides: Sequence[Sequence[Pair]]) -> Figure:
    """`sides`: the pairs of the method and, for a gain, those of direct, which are subtracted."""
    signs = [1.0, -1.0][: len(sides)]
    n = min(pair.n for pairs in sides for pair in pairs)
    two = [[pair.two for pair in pairs] for pairs in sides]
    is_now = _mean(signs, sides, [[pair.one for pair in pairs] for pairs in sides])
    columns, higher = columns_of(grid.metric.item), bool(grid.metric.higher_is_better)
    identical = all(_is_identical(pair, columns) for pairs in sides for pair in pairs)
    found = None if identical else difference(*sides)
    change = PairedDifference.none(n) if found is None else found if higher else found.turned()
    place = grid.place
    return Figure(
        kind, grid.metric.name, grid.metric.unit, place.task, place.dataset, place.model, method.label, condition,
        _mean(signs, sides, two), is_now, _mean(signs[:1], sides[:1], two[:1]), change, n, identical, higher,
    )  # fmt: skip


def _mean(signs: Sequence[float], sides: Sequence[Sequence[Pair]], points: Sequence[Sequence[Point]]) -> float:
    """The mean over conditions and trainings, of a gain minus direct's, on the samples that count in both runs."""
    means = [
        np.mean([point.over(pair.samples).mean() for pair, point in zip(pairs, of_side, strict=True)])
        for pairs, of_side in zip(sides, points, strict=True)
    ]
    return float(np.dot(signs, means))


def _is_identical(pair: Pair, columns: Sequence[str] | None) -> bool:
    """Whether the metric reads the same of every sample, in all trainings; all columns where it does not say which."""
    trainings = zip(pair.one.records, pair.two.records, strict=True)
    return all(same_records(was, now, columns) for now, was in trainings)
