"""From sides to lines: each score of the reference beside that of another side, with their paired difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import isnan

import numpy as np

from qbench.compare.sides import Side, Sides, Spot
from qbench.compute.cell import Cell, ConditionItem, MethodItem
from qbench.gate.flips import Flips, flipped
from qbench.report.columns import same_records
from qbench.report.differences import difference
from qbench.report.grid import Grid, is_clean
from qbench.report.leaderboard import Unit
from qbench.report.point import Pair
from qbench.report.source import columns_of
from qbench.runs.run_info import CellResult
from qbench.stats.bootstrap import Groups
from qbench.stats.holm import holm
from qbench.stats.paired import PairedDifference

AVERAGE = "average"


@dataclass(frozen=True)
class Line:
    """One score of two sides. Numbers are None where they are not known, `why` says why sides cannot be compared."""

    reference: str
    other: str
    spot: Spot
    condition: str
    """Its label; `average` for the mean over the degraded conditions that both sides have."""
    unit: Unit
    before: float | None = None
    """The score of the reference, over the samples that count on both sides."""
    score: float | None = None
    difference: float | None = None
    """`score` minus `before`, of the same samples."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    """`p` after Holm's procedure over all lines that are shown."""
    n: int | None = None
    higher_is_better: bool | None = None
    why: str = ""
    remark: str = ""
    flips: tuple[Flips, ...] = field(default=(), repr=False)
    """Of classification under one condition: for each training that both sides have."""

    @property
    def is_compared(self) -> bool:
        return self.difference is not None


def lines(of: Sides) -> list[Line]:
    """All lines, with Holm's procedure over them."""
    return adjusted([line for side in of.others for line in _of_side(of, side)])


def adjusted(found: Sequence[Line]) -> list[Line]:
    """The lines with their p-values adjusted for all of them."""
    p = holm([float("nan") if line.p is None else line.p for line in found])
    return [replace(line, adjusted=_number(value)) for line, value in zip(found, p, strict=True)]


def _of_side(of: Sides, side: Side) -> Iterator[Line]:
    there = of.spots(side)
    for spot, (grid, method) in of.reference_spots.items():
        if spot in there:
            yield from _Meeting(of.reference.name, side.name, spot, grid, method, *there[spot]).lines()
        else:
            yield Line(of.reference.name, side.name, spot, AVERAGE, grid.metric.unit,
                       why=f"{side.name} has no such score")  # fmt: skip
    for spot, (grid, _) in there.items():
        if spot not in of.reference_spots:
            yield Line(of.reference.name, side.name, spot, AVERAGE, grid.metric.unit,
                       why=f"{of.reference.name} has no such score")  # fmt: skip


@dataclass(frozen=True)
class _Meeting:
    """A method of the reference and one of another side, at the same place."""

    reference: str
    other: str
    spot: Spot
    grid: Grid
    method: MethodItem
    there: Grid
    that: MethodItem

    def lines(self) -> Iterator[Line]:
        """One for each condition, and the average over those degraded ones that can be compared."""
        if why := self._why_not_at_all():
            yield self._line(AVERAGE, why=why)
            return
        conditions = {condition.label: condition for condition in self.there.conditions}
        pairs: list[Pair] = []
        for condition in self.grid.conditions:
            if not self.grid.cells(self.method, condition):
                continue
            found = self._under(condition, conditions.pop(condition.label, None))
            if isinstance(found, str):
                yield self._line(condition.label, why=found)
                continue
            pairs += [] if is_clean(condition) else [found]
            yield replace(self._compared(condition.label, [found]), flips=self._flips(condition))
        left = [c for c in conditions.values() if self.there.cells(self.that, c)]
        yield from (self._line(c.label, why=f"{self.reference} has no such condition") for c in left)
        if pairs:
            yield self._average(pairs, len(left))

    def _average(self, pairs: Sequence[Pair], left: int) -> Line:
        degraded = [c for c in self.grid.conditions if not is_clean(c) and self.grid.cells(self.method, c)]
        every = len(degraded) + left
        remark = f"over {len(pairs)} of {every} conditions" if len(pairs) < every else ""
        return replace(self._compared(AVERAGE, pairs), remark=remark)

    def _line(self, condition: str, why: str) -> Line:
        return Line(self.reference, self.other, self.spot, condition, self.grid.metric.unit, why=why)

    def _why_not_at_all(self) -> str:
        """Why nothing of the two methods can be compared."""
        one, other = self.grid.results[0].cell, self.there.results[0].cell
        seed, other_seed = self.grid.loaded.info.seed, self.there.loaded.info.seed
        if _samples(self.grid, one) != _samples(self.there, other):
            return "the samples are others (their ids or their contents)"
        if seed != other_seed:
            return f"degradations are drawn from the seed {seed}, and on the other side from {other_seed}"
        if one.dataset.own_label != other.dataset.own_label:
            return f"the dataset is {one.dataset.own_label!r}, and on the other side {other.dataset.own_label!r}"
        if self.grid.metric.item.params != self.there.metric.item.params:
            return "the metric has other parameters"
        if not _same_groups(self.grid.resampling.groups, self.there.resampling.groups):
            return "the samples belong to other groups"
        return ""

    def _under(self, condition: ConditionItem, other: ConditionItem | None) -> Pair | str:
        """Both points under one condition, or why they cannot be compared."""
        if other is None or not self.there.cells(self.that, other):
            return f"{self.other} has no such condition"
        if (condition.name, condition.params) != (other.name, other.params):
            return f"the condition is {condition.name} {condition.params}, and on the other side {other.params}"
        here, there = self.grid.point(self.method, condition), self.there.point(self.that, other)
        if here is None:
            return f"{self.reference}: {_unfinished(self.grid.unfinished(self.method, condition))}"
        if there is None:
            return f"{self.other}: {_unfinished(self.there.unfinished(self.that, other))}"
        if not same_records(here.records[0], there.records[0], ["id"]):
            return "the records hold other ids, or in another order"
        pair = Pair(there, here)
        return pair if pair.n else "no sample counts on both sides"

    def _compared(self, condition: str, pairs: Sequence[Pair]) -> Line:
        before, score = (
            float(np.mean([point.over(pair.samples).mean() for pair, point in side]))
            for side in ([(pair, pair.two) for pair in pairs], [(pair, pair.one) for pair in pairs])
        )
        found = self._alike(pairs) or difference(pairs)
        low, high = found.interval() if found else (float("nan"), float("nan"))
        return Line(
            self.reference, self.other, self.spot, condition, self.grid.metric.unit, _number(before), _number(score),
            _number(score - before), _number(low), _number(high), _number(found.p()) if found else None,
            n=min(pair.n for pair in pairs), higher_is_better=self.grid.metric.higher_is_better,
            why="" if not isnan(score - before) else "a side has no score",
        )  # fmt: skip

    def _alike(self, pairs: Sequence[Pair]) -> PairedDifference | None:
        """No difference, where the metric reads the same of every sample on both sides: nothing has to be drawn. Hits
        under one condition have an interval all the same, which is quick."""
        columns = columns_of(self.grid.metric.item)
        if len(pairs) == 1 and self.grid.metric.is_share:
            return None
        if any(pair.one.train_seeds != pair.two.train_seeds for pair in pairs):
            return None
        both = [of for pair in pairs for of in zip(pair.one.records, pair.two.records, strict=True)]
        if not all(same_records(*of, columns) for of in both):
            return None
        return PairedDifference.none(min(pair.units for pair in pairs))

    def _flips(self, condition: ConditionItem) -> tuple[Flips, ...]:
        if self.spot.task != "classification" or not self.grid.metric.is_share:
            return ()
        there = {result.cell.train_seed: result for result in self._there(condition)}
        here = self.grid.cells(self.method, condition)
        matched = [(was, there[was.cell.train_seed]) for was in here if was.cell.train_seed in there]
        return tuple(
            flipped((*now.cell.in_tables,), self.grid.records(was), self.there.records(now)) for was, now in matched
        )

    def _there(self, condition: ConditionItem) -> Iterable[CellResult]:
        other = next(one for one in self.there.conditions if one.label == condition.label)
        return self.there.cells(self.that, other)


def _samples(grid: Grid, cell: Cell) -> tuple[int, str]:
    whole = grid.loaded.info.sources[cell.source].whole
    return whole.stop, whole.name


def _same_groups(one: Groups | None, other: Groups | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one.of, other.of)


def _unfinished(result: CellResult | None) -> str:
    if result is None:
        return "no records"
    return f"{result.status}{f' ({result.reason})' if result.reason else ''}"


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)
