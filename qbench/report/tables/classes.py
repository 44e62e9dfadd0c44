"""The table by class: a line for each class, a column for each method; clean, and each kind of condition averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qbench.report.leaderboard import Column, Group, Row, Table, Value
from qbench.report.marks import marked
from qbench.report.score import Draws, Scored, average_by_class, metric_of, point
from qbench.report.source import Loaded
from qbench.report.tables.scores import DASH, Notes, group_key, missing
from qbench.runs.run_info import CellResult

NAME = "accuracy-by-class"
_NAMED = 5
"""Conditions of a mean that its heading names one by one."""


def by_class(loaded: Loaded) -> list[Table]:
    """A table for each metric of each task that is a mean over classes; without any, one that says so."""
    wanted = dict.fromkeys((result.cell.task, metric) for result in loaded.info.cells for metric in result.cell.metrics)
    found = [(task, metric) for task, metric in wanted if hasattr(metric_of(metric), "each")]
    if not found:
        empty = "No metric of this run is a mean over classes; ask for one, such as miou or ap, in `metrics`."
        return [Table(NAME, "Scores by class", (), empty=empty)]
    return [_table(loaded, task, Scored(metric, by_class=True)) for task, metric in found]


def _table(loaded: Loaded, task: str, scored: Scored) -> Table:
    cells = [result for result in loaded.info.cells if result.cell.task == task and scored.info in result.cell.metrics]
    notes = Notes()
    groups = []
    for key in dict.fromkeys(group_key(result) for result in cells):
        here = [result for result in cells if group_key(result) == key]
        of = {"task": key[0], "dataset": key[1], "view": key[2], "model": key[3]}
        for kind in dict.fromkeys(_kind(result) for result in here):
            same = [result for result in here if _kind(result) == kind]
            groups.append(_group({**of, "family": _heading(kind, same)}, same, loaded, scored, notes))
    kept = tuple(group for group in groups if group.columns)
    remarks = _remarks(scored, any(row.oracle for group in kept for row in group.rows))
    return Table(NAME, f"{scored.title} by class", kept, tuple(notes.texts), remarks, "", scored.name, scored.title)


def _kind(result: CellResult) -> str:
    """Conditions that are averaged: of one family, or all corruptions at all their severities."""
    condition = result.cell.condition
    return "corruptions" if condition.axis is not None and condition.axis[0] == "severity" else condition.family


def _heading(kind: str, cells: Sequence[CellResult]) -> str:
    names = list(dict.fromkeys(result.cell.condition.label for result in cells))
    if len(names) == 1:
        return names[0]
    return f"mean of {', '.join(names)}" if len(names) <= _NAMED else f"mean of {len(names)} conditions, {kind}"


def _group(of: dict[str, str], cells: Sequence[CellResult], loaded: Loaded, scored: Scored, notes: Notes) -> Group:
    """Without columns where no cell is finished, or no class has a score."""
    metric: Any = scored.metric
    found = [metric.support(loaded.records[result.cell.place]) for result in cells if result.status == "done"]
    support: list[str] = max(found, key=len, default=[])
    draws = Draws(loaded.info.seed, cells[0].cell.dataset.own_label)
    conditions = list(dict.fromkeys(result.cell.condition.label for result in cells))
    lines = {}
    for method in dict.fromkeys(result.cell.method.label for result in cells):
        own = [result for result in cells if result.cell.method.label == method]
        lines[method] = _line(own, conditions, loaded, scored, draws, notes, len(support))
    shown = [k for k in range(len(support)) if any(line[k].value is not None for line in lines.values())]
    names = loaded.info.sources[cells[0].cell.source].classes
    columns = tuple(_column(names[k] if k < len(names) else str(k), support[k], scored) for k in shown)
    oracle = {result.cell.method.label: result.cell.method.oracle for result in cells}
    rows = [Row(method, oracle[method], tuple(line[k] for k in shown)) for method, line in lines.items()]
    return Group(of, columns, marked(rows, columns), lines="class")


def _column(name: str, support: str, scored: Scored) -> Column:
    return Column(name, f"{name} ({support})", scored.unit, scored.metric.higher_is_better)


def _line(
    cells: Sequence[CellResult], conditions: Sequence[str], loaded: Loaded, scored: Scored, draws: Draws, notes: Notes,
    number: int,
) -> list[Value]:  # fmt: skip
    """A method's value for each of `number` classes, the mean over conditions; the first that is missing says why."""
    points = []
    for condition in conditions:
        here = [result for result in cells if result.cell.condition.label == condition]
        if not here or any(result.status != "done" for result in here):
            return [missing(cells, condition, notes)] * number
        points.append(point(scored, here, loaded.records))
    values = average_by_class(points, draws)
    return [*values, *[DASH] * (number - len(values))]


def _remarks(scored: Scored, oracle: bool) -> tuple[str, ...]:
    remarks = [
        "Clean, and the mean over the conditions of each kind; a class that has no score under one of them has a dash, "
        "and one without any score no line. Behind a class: in how many of the pictures it is, and how much of it.",
        f"In brackets: 95% intervals by the {scored.bootstrap} bootstrap over pictures ({scored.resamples:,} "
        "resamples, the same for all methods). Best in bold, second underlined, among the methods.",
    ]
    if oracle:
        remarks.append("†: reads facts of the degradation that a real picture does not bring; takes no part in marks.")
    return tuple(remarks)
