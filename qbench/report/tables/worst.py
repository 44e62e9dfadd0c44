"""The worst case: each method's score under the degraded condition that it copes with least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.report.declared import table
from qbench.report.grid import Grid, Grids, is_clean
from qbench.report.leaderboard import DASH, Column, Group, Row, Table, Value
from qbench.report.metric import ShownMetric
from qbench.report.notes import Notes
from qbench.report.point import Point
from qbench.report.remarks import under
from qbench.report.values import average, single

NAME = "worst-case"
REMARK = (
    "worst: the score under the degraded condition where it is worst, which the footnote names, with the 95% interval "
    "of that condition by itself. The worst of several measured scores tends to lie beyond the worst true one; the "
    "interval does not correct that."
)


@table(NAME, order=5)
def worst_case(grids: Grids) -> list[Table]:
    """A table for each metric that has a direction; without degraded conditions one that says so."""
    shown = [(ShownMetric(item), grids.of(task, item)) for task, item in grids.metrics]
    tables = [_table(metric, of) for metric, of in shown if metric.higher_is_better is not None]
    empty = "No metric of this run has a direction, or no picture is degraded."
    return [table for table in tables if table.groups] or [Table(NAME, "Worst case", (), empty=empty)]


def _table(metric: ShownMetric, grids: Sequence[Grid]) -> Table:
    notes = Notes()
    grids = [grid for grid in grids if _degraded(grid)]
    groups = tuple(_group(grid, _degraded(grid), notes) for grid in grids)
    remarks = ("average: mean of the degraded conditions.", REMARK, *under(metric, grids, groups))
    title = f"{metric.title}: the worst condition of each method"
    return Table(NAME, title, groups, tuple(notes.texts), remarks, "", metric.name, metric.title)


def _degraded(grid: Grid) -> list[ConditionItem]:
    return [condition for condition in grid.conditions if not is_clean(condition)]


def _group(grid: Grid, degraded: Sequence[ConditionItem], notes: Notes) -> Group:
    clean = [condition for condition in grid.conditions if is_clean(condition)][:1]
    names = [*(condition.label for condition in clean), "average", "worst"]
    columns = tuple(Column(name, name, grid.metric.unit, grid.metric.higher_is_better) for name in names)
    rows = [
        Row(
            method.label,
            method.oracle,
            (
                *(one(grid, method, condition, notes) for condition in clean),
                mean(grid, method, degraded, notes),
                worst(grid, method, degraded, notes),
            ),
        )
        for method in grid.methods()
    ]
    return Group(grid.place.titled(), columns, tuple(rows))


def points_of(
    grid: Grid, method: MethodItem, conditions: Sequence[ConditionItem], notes: Notes
) -> tuple[list[Point], Value]:
    """The points under all of the conditions; none where one is missing, and why that is."""
    points = []
    for condition in conditions:
        point = grid.point(method, condition)
        if point is None:
            return [], notes.missing(grid, method, condition)
        points.append(point)
    return points, DASH


def one(grid: Grid, method: MethodItem, condition: ConditionItem, notes: Notes) -> Value:
    """The score under one condition, or why there is none."""
    points, missing = points_of(grid, method, [condition], notes)
    return single(points[0]) if points else missing


def mean(grid: Grid, method: MethodItem, conditions: Sequence[ConditionItem], notes: Notes) -> Value:
    """The mean score over conditions, or why there is none."""
    points, missing = points_of(grid, method, conditions, notes)
    return average(points) if points else missing


def worst(grid: Grid, method: MethodItem, conditions: Sequence[ConditionItem], notes: Notes) -> Value:
    """The lowest score under the conditions (the highest, where lower is better), with a footnote that names its
    condition. Where a condition is missing, the worst is not known."""
    points, missing = points_of(grid, method, conditions, notes)
    if not points or not all(point.n for point in points):
        return single(next(point for point in points if not point.n)) if points else missing
    scores = np.array([np.mean(point.by_seed) for point in points])
    if np.isnan(scores).any():
        return Value(None, missing="n/a", note=notes.number("no score under one of the conditions"))
    place = int(scores.argmin() if grid.metric.higher_is_better else scores.argmax())
    note = notes.number(f"under {conditions[place].label}")
    return replace(single(points[place]), note=note)
