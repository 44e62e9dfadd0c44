"""The tables of scores over conditions: a row a method, a column a condition or the mean of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.report.declared import table
from qbench.report.differences import difference, paired, relative_difference
from qbench.report.grid import DIRECT, Grid, Grids, is_clean
from qbench.report.leaderboard import DASH, GAINS, Column, Group, Row, Table, Unit, Value
from qbench.report.marks import PValue, ranked
from qbench.report.metric import ShownMetric
from qbench.report.notes import Notes
from qbench.report.point import Point
from qbench.report.remarks import of_intervals, of_letters, of_oracles
from qbench.report.tables.layouts import BY_CONDITION, LAYOUTS, Layout
from qbench.report.values import average, gain, relative, single

_GAIN_IN: Mapping[Unit, str] = {"percent": "in points, ", "db": "in dB, ", "plain": ""}


def over_axis(layout: Layout, grids: Grids) -> list[Table]:
    """The tables of a layout; none where no picture is degraded, which the table by condition shows."""
    return [] if grids.is_clean_alone else scores(layout, grids)


for _layout in LAYOUTS:
    table(_layout.name)(partial(over_axis, _layout))


@table(BY_CONDITION.name, always=True)
def by_condition(grids: Grids) -> list[Table]:
    """All conditions where the suite asks for it or none is degraded, else those that no other table over conditions
    shows."""
    if grids.is_clean_alone:
        return scores(replace(BY_CONDITION, with_clean_alone=True), grids)
    if BY_CONDITION.name in grids.info.tables:
        return scores(BY_CONDITION, grids)
    others = tuple(layout for layout in LAYOUTS if layout.name in grids.info.tables)
    return [table for table in scores(replace(BY_CONDITION, besides=others), grids) if not table.empty]


def scores(layout: Layout, grids: Grids) -> list[Table]:
    """The tables of one layout, one for each metric of each task; without any condition one that says so."""
    tables = [_table(layout, ShownMetric(item), grids.of(task, item)) for task, item in grids.metrics]
    empty = f"No cell of this run belongs in {layout.name}."
    shown = [table for table in tables if table.groups]
    return shown or [Table(layout.name, f"Scores by {layout.by}", (), empty=empty)]


def _table(layout: Layout, metric: ShownMetric, grids: Sequence[Grid]) -> Table:
    notes = Notes()
    groups = ranked([group for grid in grids for group in _groups(layout, grid, notes)])
    title, remarks = f"{metric.title} by {layout.by}", _remarks(groups, metric, grids)
    return Table(
        layout.name, title, groups, tuple(notes.texts), remarks, "", metric.name, metric.title, axis=layout.drawn
    )


def _groups(layout: Layout, grid: Grid, notes: Notes) -> Iterator[tuple[Group, PValue]]:
    shown = [condition for condition in grid.conditions if layout.shows(grid, condition)]
    families = list(dict.fromkeys(condition.family for condition in shown))
    if not layout.is_split:
        families = families[:1]
    for family in families:
        here = [condition for condition in shown if not layout.is_split or condition.family == family]
        titled = grid.place.titled(family if len(families) > 1 else "")
        yield _Rows(layout, grid, [c for c in here if not is_clean(c)], notes).group(titled)


@dataclass(frozen=True)
class _Shown:
    """A column of scores, and the conditions behind it."""

    head: Column
    conditions: Sequence[ConditionItem]
    is_relative: bool = False
    """Whether it shows performance relative to clean."""


@dataclass(frozen=True)
class _Rows:
    """One group: the methods at a place under some degraded conditions, beside clean."""

    layout: Layout
    grid: Grid
    degraded: Sequence[ConditionItem]
    notes: Notes

    @property
    def clean(self) -> list[ConditionItem]:
        return [condition for condition in self.grid.conditions if is_clean(condition)]

    def columns(self) -> dict[str, list[ConditionItem]]:
        """The degraded conditions of each column, by its name."""
        degraded = list(self.degraded)
        if self.layout.is_sorted:
            degraded.sort(key=lambda condition: self.layout.place(self.grid, condition))
        columns: dict[str, list[ConditionItem]] = {}
        for condition in degraded:
            columns.setdefault(self.layout.column(condition), []).append(condition)
        return columns

    def group(self, titled: Mapping[str, str]) -> tuple[Group, PValue]:
        """Its columns are clean where the suite has it, one or several degraded conditions each, and their summary.
        Beside it, how sure it is that two methods differ in a column."""
        columns, degraded = self.columns(), list(self.degraded)
        shown = [_Shown(self._column(self.clean[0].label, self.clean[0].label), self.clean)] if self.clean else []
        shown += [_Shown(self._head(name, conditions[0]), conditions) for name, conditions in columns.items()]
        summary = [_Shown(head, degraded, head.name == "rpc") for head in self._summary_heads()] if columns else []
        if not summary and len(shown) == 1:
            shown = [replace(shown[0], head=replace(shown[0].head, with_letters=True))]
        methods = self.grid.methods([*self.clean, *self.degraded])
        direct = next((method for method in methods if method.name == DIRECT), None)
        heads = (*(one.head for one in (*shown, *summary)), Column("n", "n", "count"))
        rows = tuple(self._row(method, direct, [one.conditions for one in shown]) for method in methods)

        def p(index: int, one: int, other: int) -> float:
            return self._p((*shown, *summary)[index], methods[one], methods[other])

        return Group(titled, heads, rows), p

    def _p(self, shown: _Shown, one: MethodItem, other: MethodItem) -> float:
        points, others = self._points(one, shown.conditions), self._points(other, shown.conditions)
        if not shown.is_relative:
            found = difference(paired(points, others))
            return float("nan") if found is None else found.p()
        sides = [
            (self._points(method, self.clean)[0], self._families(shown.conditions, of_method))
            for method, of_method in ((one, points), (other, others))
        ]
        return relative_difference(*sides).p()

    def _column(self, name: str, heading: str) -> Column:
        return Column(name, heading, self.grid.metric.unit, self.grid.metric.higher_is_better)

    def _head(self, name: str, condition: ConditionItem) -> Column:
        column = self._column(name, self.layout.heading(condition))
        if not self.layout.is_by_rate:
            return column
        rate = self.grid.rate(condition)
        return replace(column, heading=f"{column.heading}: {rate:.2f} bpp", bpp=rate, family=condition.family)

    def _summary_heads(self) -> list[Column]:
        average = replace(self._column("average", "average"), with_letters=True)
        heads = [average, Column("gain", "gain", GAINS[average.unit])]
        is_relative = self.grid.metric.has_relative and self.clean
        return [*heads, Column("rpc", "rPC", "percent", True)] if is_relative else heads

    def _row(
        self, method: MethodItem, direct: MethodItem | None, columns: Sequence[Sequence[ConditionItem]]
    ) -> Row:  # fmt: skip
        values = [self._mean(method, conditions) for conditions in columns]
        degraded = [condition for column in columns for condition in column if not is_clean(condition)]
        if degraded:
            values += self._summary(method, direct, degraded)
        cells = [result for c in (*self.clean, *degraded) for result in self.grid.cells(method, c)]
        points = [self.grid.point(method, condition) for condition in (*self.clean, *degraded)]
        samples = max(result.cell.samples for result in cells)
        return Row(method.label, method.oracle, (*values, _denominator([point for point in points if point], samples)))

    def _mean(self, method: MethodItem, conditions: Sequence[ConditionItem]) -> Value:
        """One condition's score, or the mean over those of a column; the first one that is missing says why."""
        points = []
        for condition in conditions:
            point = self.grid.point(method, condition)
            if point is None:
                return self.notes.missing(self.grid, method, condition)
            points.append(point)
        if not points:
            return DASH
        return single(points[0]) if len(points) == 1 else average(points)

    def _summary(
        self, method: MethodItem, direct: MethodItem | None, degraded: Sequence[ConditionItem]
    ) -> list[Value]:  # fmt: skip
        """Average, gain and, where the metric has one, relative performance over the degraded conditions."""
        points, others = self._points(method, degraded), self._points(direct, degraded)
        clean = self._points(method, self.clean)
        summary = [
            average(points) if points else DASH,
            gain(points, others) if points and others and method != direct else DASH,
        ]
        if self.grid.metric.has_relative and self.clean:
            summary.append(relative(clean[0], self._families(degraded, points)) if points and clean else DASH)
        return summary

    @staticmethod
    def _families(conditions: Sequence[ConditionItem], points: Sequence[Point]) -> dict[str, list[Point]]:
        families: dict[str, list[Point]] = {}
        for condition, point in zip(conditions, points, strict=False):
            families.setdefault(condition.family, []).append(point)
        return families

    def _points(self, method: MethodItem | None, conditions: Sequence[ConditionItem]) -> list[Point]:
        """Under all of the conditions; empty where one is missing."""
        points = [self.grid.point(method, condition) for condition in conditions] if method else []
        return [point for point in points if point] if all(points) else []


def _denominator(points: Sequence[Point], samples: int) -> Value:
    """The fewest samples that count in a cell of the row, out of those asked for (`high`)."""
    if not points:
        return DASH
    n = min(point.n for point in points)
    return Value(float(n), high=float(samples), n=n, bad=max(point.bad for point in points))


def _remarks(groups: Sequence[Group], metric: ShownMetric, grids: Sequence[Grid]) -> tuple[str, ...]:
    rows = [row for group in groups for row in group.rows]
    heads = [column.name for group in groups for column in group.columns]
    remarks = [*of_intervals(metric, grids, rows)]
    if "average" in heads:
        remarks.append(
            "average: mean of the degraded conditions, without clean. gain: average minus that of direct on the same "
            f"samples, {_GAIN_IN[metric.unit]}with its paired interval."
        )
    remarks += ["n: samples scored in every cell of the row, of those asked for.", *of_letters(rows)]
    if "rpc" in heads:
        remarks.append("rPC: relative performance under corruption, the mean over corruptions of the mean over their "
                       "severities, in percent of the clean score (arXiv 1907.07484).")  # fmt: skip
    remarks += of_oracles(rows)
    if bad := max((value.bad for row in rows for value in row.values), default=0):
        remarks.append(f"Samples that could not be used: up to {bad} in a cell; they count in no cell's score.")
    return tuple(remarks)
