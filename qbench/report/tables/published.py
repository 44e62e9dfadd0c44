"""A paper's figures beside ours: the same methods, models and conditions, each with two columns.

A paper's file names models, methods and conditions as tables here do: by label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from qbench.compute.cell import MethodItem
from qbench.report.declared import table
from qbench.report.grid import CLEAN, DIRECT, Grid, Grids, is_clean
from qbench.report.leaderboard import DASH, Column, Group, Row, Table, Unit, Value
from qbench.report.notes import Notes
from qbench.report.values import average, single
from qbench.runs.cost_record import EfficiencyRecord
from qbench.suite.published import Costs, Figures, PublishedTable, Shown

METRIC = "top1"


@table("published", order=30, always=True)
def published(grids: Grids) -> list[Table]:
    """A table for each that the suite names."""
    return [
        _costs(shown, grids.loaded.efficiency) if shown.table.costs else _scores(shown, grids)
        for shown in grids.info.published
    ]


def _scores(shown: Shown, grids: Grids) -> Table:
    notes = Notes()
    ours = {grid.place: grid for task, item in grids.metrics if item.name == METRIC for grid in grids.of(task, item)}
    groups = []
    for model in dict.fromkeys(row.model for row in shown.table.rows):
        here: list[Grid | None] = [grid for place, grid in ours.items() if place.model == model]
        groups += [_group(shown.table, model, grid, notes) for grid in here or [None]]
    return Table(shown.name, _title(shown), tuple(groups), tuple(notes.texts), _remarks(shown), "", METRIC)


def _title(shown: Shown) -> str:
    return f"{shown.table.title}: ours beside the published ({shown.table.where})"


def _remarks(shown: Shown) -> tuple[str, ...]:
    remarks = [f"published: {shown.citation}", shown.data, shown.table.notes.strip()]
    misprints = ", ".join(
        f"{wrong.method} on {wrong.model} {wrong.printed:g} for {wrong.mean:g}" for wrong in shown.table.misprints
    )
    if misprints:
        remarks.append(f"Printed averages that are not the mean of their cells: {misprints}.")
    remarks.append("A dash: not in this run, or not in the paper. In brackets: 95% intervals of ours.")
    return tuple(text for text in remarks if text)


def _group(paper: PublishedTable, model: str, grid: Grid | None, notes: Notes) -> Group:
    """The paper's rows of one model beside our grid of it, where the run has one."""
    rows = [row for row in paper.rows if row.model == model]
    degraded = [row for row in rows if row.condition != CLEAN]
    names = [row.condition for row in rows] + (["average"] if len(degraded) > 1 else [])
    heads = chain.from_iterable(_pair(name, "percent", "percent printed") for name in names)
    printed_methods = list(paper.methods.values())
    our_methods = {method.label: method for method in grid.methods()} if grid else {}
    averages = next((printed.values for printed in paper.averages if printed.model == model), None)
    lines = []
    for label in dict.fromkeys([*printed_methods, *our_methods]):
        method = our_methods.get(label)
        ours = _ours(grid, method, names, notes) if grid and method else [DASH] * len(names)
        printed = _printed(rows, averages, printed_methods.index(label) if label in printed_methods else None)
        values = chain.from_iterable(zip(ours, printed[: len(names)], strict=True))
        lines.append(Row(label, method is not None and method.oracle, tuple(values)))
    titled = grid.place.titled() if grid else {"task": "classification", "dataset": "", "view": "", "model": model}
    return Group(titled, tuple(heads), tuple(lines))


def _ours(grid: Grid, method: MethodItem, names: Sequence[str], notes: Notes) -> list[Value]:
    """Our scores under the paper's conditions; `average` is over those but clean."""
    by_name = {CLEAN if is_clean(condition) else condition.label: condition for condition in grid.conditions}
    points = {name: grid.point(method, by_name[name]) for name in names if name in by_name}
    degraded = [points.get(name) for name in names if name not in {CLEAN, "average"}]
    known = [point for point in degraded if point is not None]
    values = []
    for name in names:
        point = points.get(name)
        if point is not None:
            values.append(single(point))
        elif name == "average":
            values.append(average(known) if len(known) == len(degraded) else DASH)
        else:
            values.append(notes.missing(grid, method, by_name[name]) if name in by_name else DASH)
    return values


def _printed(rows: Sequence[Figures], averages: Sequence[float] | None, place: int | None) -> list[Value]:
    """The paper's figures of the method at `place`, and their average where it is printed."""
    if place is None:
        return [DASH] * (len(rows) + 1)
    mean = Value(averages[place] / 100) if averages else DASH
    return [*(Value(row.values[place] / 100) for row in rows), mean]


def _pair(name: str, unit: Unit, printed: Unit | None = None) -> tuple[Column, Column]:
    """`printed`: the unit of the paper's figures, which have two decimals where they are percents."""
    return Column(name, f"{name}, ours", unit), Column(f"{name} published", f"{name}, published", printed or unit)


def _costs(shown: Shown, records: Sequence[EfficiencyRecord]) -> Table:
    """Parameters and multiply-accumulates of methods beyond the model, and of models alone; latencies of the paper."""
    heads = (
        *_pair("parameters, M", "parameters"), *_pair("MACs, G", "macs"),
        Column("phone CPU", "phone CPU, ms, published", "ms"), Column("phone GPU", "phone GPU, ms, published", "ms"),
    )  # fmt: skip
    groups = []
    for model in dict.fromkeys(record.model.label for record in records) or [""]:
        measured = {record.method.label: record for record in records if record.model.label == model}
        listed = [row for row in shown.table.costs if not model or row.model in {"", model}]
        known = {row.method for row in listed}
        rows = [_cost(row.model or row.method, row, measured.get(row.method)) for row in listed]
        rows += [_cost(name, None, record) for name, record in measured.items() if name not in known]
        groups.append(Group({"model": model or "no model of this run"}, heads, tuple(rows)))
    beyond = "A method's figures are what it adds to the model. Ours are of its deployed form, at the model's input."
    phone = f"Phone: {shown.table.phone}." if shown.table.phone else ""
    remarks = tuple(text for text in (beyond, phone, *_remarks(shown)) if text)
    return Table(shown.name, _title(shown), tuple(groups), remarks=remarks)


def _cost(name: str, paper: Costs | None, ours: EfficiencyRecord | None) -> Row:
    measured, printed_values = [DASH, DASH], [DASH, DASH, DASH, DASH]
    if ours is not None:
        alone = ours.method.name == DIRECT
        counts = (ours.parameters_total, ours.macs_total) if alone else (ours.parameters_extra, ours.macs_extra)
        measured = [Value(float(count)) for count in counts]
    if paper is not None:
        printed = (paper.parameters * 1e6, paper.macs * 1e9, paper.cpu_ms, paper.gpu_ms)
        printed_values = [DASH if number is None else Value(number) for number in printed]
    values = (measured[0], printed_values[0], measured[1], printed_values[1], *printed_values[2:])
    return Row(name, ours is not None and ours.method.oracle, values)
