"""The table by class: a line for each class, a column for each method; clean, and each kind of condition averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import nan
from typing import Any

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.report.declared import table
from qbench.report.differences import differences_by_class
from qbench.report.grid import Grid, Grids
from qbench.report.leaderboard import DASH, Column, Group, Row, Table, Value
from qbench.report.marks import PValue, ranked
from qbench.report.metric import ShownMetric
from qbench.report.notes import Notes
from qbench.report.remarks import of_intervals, of_letters, of_oracles
from qbench.report.values import average_by_class
from qbench.stats.paired import PairedDifference
from qbench.suite.schema import BY_CLASS

_NAMED = 5
"""Conditions of a mean that its heading names one by one."""
_WHAT = (
    "Clean, and the mean over the conditions of each kind; a class that has no score under one of them has a dash, and "
    "one without any score no line. Behind a class: in how many of the pictures it is, and how much of it."
)


@table(BY_CLASS, order=10)
def by_class(grids: Grids) -> list[Table]:
    """A table for each metric of each task that is a mean over classes; without any, one that says so."""
    means = [(task, item) for task, item in grids.metrics if ShownMetric(item).is_mean_over_classes]
    if not means:
        empty = "No metric of this run is a mean over classes; ask for one, such as miou or ap, in `metrics`."
        return [Table(BY_CLASS, "Scores by class", (), empty=empty)]
    return [_table(ShownMetric(item, by_class=True), grids.of(task, item, by_class=True)) for task, item in means]


def _table(metric: ShownMetric, grids: Sequence[Grid]) -> Table:
    notes = Notes()
    groups = ranked([(group, p) for grid in grids for group, p in _groups(grid, notes) if group.columns])
    rows = [row for group in groups for row in group.rows]
    remarks = (_WHAT, *of_intervals(metric, grids, rows), *of_letters(rows), *of_oracles(rows))
    title = f"{metric.title} by class"
    return Table(BY_CLASS, title, groups, tuple(notes.texts), remarks, "", metric.name, metric.title)


def _groups(grid: Grid, notes: Notes) -> Iterator[tuple[Group, PValue]]:
    for kind in dict.fromkeys(_kind(condition) for condition in grid.conditions):
        conditions = [condition for condition in grid.conditions if _kind(condition) == kind]
        yield _group(grid, conditions, _heading(kind, conditions), notes)


def _kind(condition: ConditionItem) -> str:
    """Conditions that are averaged: of one family, or all corruptions at all their severities."""
    return "corruptions" if condition.axis is not None and condition.axis[0] == "severity" else condition.family


def _heading(kind: str, conditions: Sequence[ConditionItem]) -> str:
    labels = [condition.label for condition in conditions]
    if len(labels) == 1:
        return labels[0]
    return f"mean of {', '.join(labels)}" if len(labels) <= _NAMED else f"mean of {len(labels)} conditions, {kind}"


def _group(grid: Grid, conditions: Sequence[ConditionItem], heading: str, notes: Notes) -> tuple[Group, PValue]:
    """Without columns where no cell is finished, or no class has a score. Beside it, how sure it is that two methods
    differ in a class."""
    metric: Any = grid.metric.metric
    methods = grid.methods(conditions)
    cells = [result for method in methods for condition in conditions for result in grid.cells(method, condition)]
    supports = [metric.support(grid.records(result)) for result in cells if result.status == "done"]
    support: list[str] = max(supports, key=len, default=[])
    lines = [_line(grid, method, conditions, len(support), notes) for method in methods]
    shown = [k for k in range(len(support)) if any(line[k].value is not None for line in lines)]
    names = grid.loaded.info.sources[grid.place.source].classes
    columns = tuple(
        Column(name, f"{name} ({support[k]})", grid.metric.unit, grid.metric.higher_is_better)
        for k, name in ((k, names[k] if k < len(names) else str(k)) for k in shown)
    )
    rows = tuple(
        Row(method.label, method.oracle, tuple(line[k] for k in shown))
        for method, line in zip(methods, lines, strict=True)
    )

    @cache
    def differences(one: int, other: int) -> list[PairedDifference]:
        sides = [[grid.point(methods[row], condition) for condition in conditions] for row in (one, other)]
        return differences_by_class(*([point for point in side if point] for side in sides))

    def p(index: int, one: int, other: int) -> float:
        found = differences(one, other)
        return found[shown[index]].p() if shown[index] < len(found) else nan

    return Group(grid.place.titled(heading), columns, rows, lines="class"), p


def _line(
    grid: Grid, method: MethodItem, conditions: Sequence[ConditionItem], classes: int, notes: Notes
) -> list[Value]:
    """A method's value of each class, the mean over conditions; the first that is missing says why."""
    points = []
    for condition in conditions:
        point = grid.point(method, condition)
        if point is None:
            return [notes.missing(grid, method, condition)] * classes
        points.append(point)
    values = average_by_class(points)
    return [*values, *[DASH] * (classes - len(values))]
