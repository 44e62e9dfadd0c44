"""Tables of differences: each method against a control that the suite names, over samples and over trainings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.report.declared import table
from qbench.report.grid import Grid, Grids, is_clean
from qbench.report.leaderboard import DASH, GAINS, Column, Group, Row, Table, Value
from qbench.report.metric import ShownMetric
from qbench.report.notes import Notes
from qbench.report.point import Pair
from qbench.report.remarks import of_groups
from qbench.report.values import gain_of
from qbench.stats.seeds import pairs
from qbench.suite.schema import Control

NAME, GAINED = "against-control", "differences from controls"


@table(NAME, order=20, always=True)
def against_controls(grids: Grids) -> list[Table]:
    """A table for each metric of each task, a group for each control, model and dataset; none without controls."""
    tables = [_table(ShownMetric(item), grids.of(task, item), grids.info.controls) for task, item in grids.metrics]
    return [table for table in tables if table.groups]


def _table(metric: ShownMetric, grids: Sequence[Grid], controls: Sequence[Control]) -> Table:
    notes = Notes()
    groups = tuple(group for grid in grids for group in _groups(grid, controls, notes))
    title = f"{metric.title}: differences from a control"
    remarks = _remarks(metric, grids)
    return Table(NAME, title, groups, tuple(notes.texts), remarks, "", metric.name, metric.title, gains=GAINED)


def _groups(grid: Grid, controls: Sequence[Control], notes: Notes) -> Iterator[Group]:
    for wanted in controls:
        control = next((method for method in grid.methods() if method.label == wanted.control), None)
        if control is not None:
            others = [method for method in grid.methods() if method != control]
            compared = [method for method in others if not wanted.methods or method.label in wanted.methods]
            yield _group(grid, control, compared, notes)


def _group(grid: Grid, control: MethodItem, methods: Sequence[MethodItem], notes: Notes) -> Group:
    unit, better = GAINS[grid.metric.unit], grid.metric.higher_is_better
    names = [*(condition.label for condition in grid.conditions), "average"]
    heads = (*(Column(name, name, unit, better) for name in names), Column("pairs", "pairs", "count"))
    rows = tuple(_row(grid, method, control, notes) for method in methods)
    return Group(grid.place.titled(f"against {control.label}"), heads, rows)


def _row(grid: Grid, method: MethodItem, control: MethodItem, notes: Notes) -> Row:
    seeds, control_seeds = grid.trainings(method), grid.trainings(control)
    trainings = pairs(seeds, control_seeds) if seeds and control_seeds else ()
    if not trainings:
        reasons = [_reason(grid, (method, control), condition, notes) for condition in grid.conditions]
        return Row(method.label, method.oracle, (*reasons, DASH, DASH))
    by_condition = {c.label: _pair(grid, method, control, trainings, c) for c in grid.conditions}
    degraded = [by_condition[condition.label] for condition in grid.conditions if not is_clean(condition)]
    values = [gain_of([pair]) for pair in by_condition.values()]
    average = gain_of(degraded) if degraded else DASH
    return Row(method.label, method.oracle, (*values, average, Value(float(len(trainings)))))


def _reason(grid: Grid, sides: Sequence[MethodItem], condition: ConditionItem, notes: Notes) -> Value:
    """In place of a number, why one of the two sides is not there."""
    values = [notes.missing(grid, method, condition) for method in sides]
    return next((value for value in values if value != DASH), DASH)


def _pair(
    grid: Grid, method: MethodItem, control: MethodItem, trainings: Sequence[tuple[int, int]], condition: ConditionItem
) -> Pair:
    of_method = grid.point(method, condition, list(dict.fromkeys(seed for seed, _ in trainings)))
    of_control = grid.point(control, condition, list(dict.fromkeys(seed for _, seed in trainings)))
    assert of_method is not None, "trainings are done under every condition"
    assert of_control is not None, "trainings are done under every condition"
    return Pair(of_method, of_control)


def _remarks(metric: ShownMetric, grids: Sequence[Grid]) -> tuple[str, ...]:
    return (
        "Difference from the control on the same samples, mean over pairs of trainings: those of the same train_seed, "
        "or every one with the only one of a side that has one. pairs: how many.",
        f"±: standard deviation over pairs. In brackets: 95% intervals; for one pair the {metric.bootstrap} bootstrap "
        "by sample, which says nothing of other trainings; for several Student's t on the sum of the variances over "
        "pairs and over samples.",
        *of_groups(grids),
        "average: over the degraded conditions.",
    )
