"""A paper's figures beside ours: the same methods, models and conditions, each with two columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qbench.report.leaderboard import Column, Group, Row, Table, Unit, Value
from qbench.report.score import Draws, Point, Scored, average, point, single
from qbench.report.source import Loaded
from qbench.report.tables.layouts import CLEAN
from qbench.report.tables.scores import DASH, DIRECT, Notes, group_key, missing
from qbench.runs.cost_record import EfficiencyRecord
from qbench.runs.run_info import CellResult
from qbench.suite.published import Costs, Figures, Shown

METRIC = "top1"


def published(loaded: Loaded) -> list[Table]:
    """A table for each that the suite names."""
    return [_costs(shown, loaded) if shown.table.costs else _scores(shown, loaded) for shown in loaded.info.published]


def _scores(shown: Shown, loaded: Loaded) -> Table:
    notes = Notes()
    scored = [result for result in loaded.info.cells if any(metric.name == METRIC for metric in result.cell.metrics)]
    groups = []
    for model in dict.fromkeys(row.model for row in shown.table.rows):
        places = dict.fromkeys(group_key(result) for result in scored if result.cell.model.label == model)
        for place in places or [("classification", "", "", model, 0)]:
            of = {"task": place[0], "dataset": place[1], "view": place[2], "model": place[3]}
            sheet = _Sheet(shown, loaded, [result for result in scored if group_key(result) == place], notes)
            groups.append(sheet.group(of, model))
    return Table(shown.name, _title(shown), tuple(groups), tuple(notes.texts), _remarks(shown), "", METRIC)


def _title(shown: Shown) -> str:
    return f"{shown.table.title}: ours beside the published ({shown.table.where})"


def _remarks(shown: Shown) -> tuple[str, ...]:
    told = [f"published: {shown.citation}", shown.data, shown.table.notes.strip()]
    wrong = ", ".join(
        f"{each.method} on {each.model} {each.printed:g} for {each.mean:g}" for each in shown.table.misprints
    )
    if wrong:
        told.append(f"Printed averages that are not the mean of their cells: {wrong}.")
    told.append("A dash: not in this run, or not in the paper. In brackets: 95% intervals of ours.")
    return tuple(text for text in told if text)


@dataclass(frozen=True)
class _Sheet:
    """Our cells of one model on one dataset, and the table that they stand in."""

    shown: Shown
    loaded: Loaded
    cells: Sequence[CellResult]
    notes: Notes

    def group(self, of: Mapping[str, str], model: str) -> Group:
        rows = [row for row in self.shown.table.rows if row.model == model]
        degraded = [row for row in rows if row.condition != CLEAN]
        names = [row.condition for row in rows] + (["average"] if len(degraded) > 1 else [])
        heads = [head for name in names for head in _pair(name, "percent", "percent printed")]
        theirs = list(self.shown.table.methods.values())
        methods = dict.fromkeys([*theirs, *(result.cell.method.label for result in self.cells)])
        printed = next((each.values for each in self.shown.table.averages if each.model == model), None)
        oracle = dict.fromkeys(methods, False)
        oracle |= {result.cell.method.label: result.cell.method.oracle for result in self.cells}
        made = []
        for method in methods:
            place = theirs.index(method) if method in theirs else None
            paper = _paper(rows, printed, place)[: len(names)]
            values = [value for pair in zip(self._ours(method, names), paper, strict=True) for value in pair]
            made.append(Row(method, oracle[method], tuple(values)))
        return Group(of, tuple(heads), tuple(made))

    def _ours(self, method: str, names: Sequence[str]) -> list[Value]:
        points: dict[str, Point] = {}
        own = [result for result in self.cells if result.cell.method.label == method]
        for name in names:
            here = [result for result in own if result.cell.condition.label == name]
            if here and all(result.status == "done" for result in here):
                scored = Scored(next(metric for metric in here[0].cell.metrics if metric.name == METRIC))
                points[name] = point(scored, here, self.loaded.records)
        draws = Draws(self.loaded.info.seed, own[0].cell.dataset.own_label if own else "")
        degraded = [name for name in names if name not in {CLEAN, "average"}]
        found = []
        for name in names:
            if name in points:
                found.append(single(points[name], draws))
            elif name == "average" and all(each in points for each in degraded):
                found.append(average([points[each] for each in degraded], draws))
            else:
                found.append(DASH if name == "average" else missing(own, name, self.notes))
        return found


def _paper(rows: Sequence[Figures], printed: Sequence[float] | None, place: int | None) -> list[Value]:
    """The paper's figures of the method at `place`, and their average where it is printed."""
    if place is None:
        return [DASH] * (len(rows) + 1)
    average = Value(printed[place] / 100) if printed else DASH
    return [*(Value(row.values[place] / 100) for row in rows), average]


def _pair(name: str, unit: Unit, printed: Unit | None = None) -> tuple[Column, Column]:
    """`printed`: the unit of the paper's figures, which have two decimals where they are percents."""
    return Column(name, f"{name}, ours", unit), Column(f"{name} published", f"{name}, published", printed or unit)


def _costs(shown: Shown, loaded: Loaded) -> Table:
    """Parameters and multiply-accumulates of methods beyond the model, and of models alone; latencies of the paper."""
    heads = (
        *_pair("parameters, M", "parameters"), *_pair("MACs, G", "macs"),
        Column("phone CPU", "phone CPU, ms, published", "ms"), Column("phone GPU", "phone GPU, ms, published", "ms"),
    )  # fmt: skip
    groups = []
    for model in dict.fromkeys(record.model.label for record in loaded.efficiency) or [""]:
        own = {record.method.label: record for record in loaded.efficiency if record.model.label == model}
        listed = [row for row in shown.table.costs if not model or row.model in {"", model}]
        known = {row.method for row in listed}
        rows = [_cost(row.model or row.method, row, own.get(row.method)) for row in listed]
        rows += [_cost(name, None, record) for name, record in own.items() if name not in known]
        groups.append(Group({"model": model or "no model of this run"}, heads, tuple(rows)))
    beyond = "A method's figures are what it adds to the model. Ours are of its deployed form, at the model's input."
    phone = f"Phone: {shown.table.phone}." if shown.table.phone else ""
    remarks = tuple(text for text in (beyond, phone, *_remarks(shown)) if text)
    return Table(shown.name, _title(shown), tuple(groups), remarks=remarks)


def _cost(name: str, paper: Costs | None, ours: EfficiencyRecord | None) -> Row:
    own, theirs = [DASH, DASH], [DASH, DASH, DASH, DASH]
    if ours is not None:
        alone = ours.method.name == DIRECT
        counts = (ours.parameters_total, ours.macs_total) if alone else (ours.parameters_extra, ours.macs_extra)
        own = [Value(float(count)) for count in counts]
    if paper is not None:
        printed = (paper.parameters * 1e6, paper.macs * 1e9, paper.cpu_ms, paper.gpu_ms)
        theirs = [DASH if number is None else Value(number) for number in printed]
    values = (own[0], theirs[0], own[1], theirs[1], *theirs[2:])
    return Row(name, ours is not None and ours.method.oracle, values)
