"""The tables of scores: which cells stand in which row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qbench.report.leaderboard import Column, Group, Row, Table, Unit, Value
from qbench.report.marks import marked
from qbench.report.score import Draws, Point, Scored, average, gain, point, relative, single
from qbench.report.source import Loaded, Records
from qbench.report.tables.layouts import CLEAN, Layout, rates_of, source_and_condition
from qbench.runs.run_info import CellResult

DIRECT = "direct"
STATUS_SHOWN = ("failed", "n/a", "pending")
DASH = Value(None, missing="–")
GAINS: Mapping[Unit, Unit] = {"percent": "points", "db": "db gain", "plain": "plain gain"}
_GAIN_IN: Mapping[Unit, str] = {"percent": "in points, ", "db": "in dB, ", "plain": ""}


@dataclass
class Notes:
    """Footnotes of one table, numbered from 1; the same text keeps its number."""

    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def accuracy(layout: Layout, loaded: Loaded) -> list[Table]:
    """The tables of one layout, one for each metric of each task; without any cell one that says so."""
    shown = [result for result in loaded.info.cells if layout.shows(result)]
    wanted = dict.fromkeys((result.cell.task, metric) for result in shown for metric in result.cell.metrics)
    if not wanted:
        title = f"Scores by {layout.by}"
        return [Table(layout.name, title, (), empty=f"No cell of this run belongs in {layout.name}.")]
    return [_table(layout, loaded, task, Scored(metric)) for task, metric in wanted]


def _table(layout: Layout, loaded: Loaded, task: str, scored: Scored) -> Table:
    cells = [result for result in loaded.info.cells if result.cell.task == task and scored.info in result.cell.metrics]
    notes = Notes()
    rates = rates_of(loaded) if layout.rates else {}
    groups = []
    for key in dict.fromkeys(group_key(result) for result in cells if layout.shows(result)):
        here = [result for result in cells if group_key(result) == key]
        families = dict.fromkeys(result.cell.condition.family for result in here if layout.shows(result))
        for one in families if layout.split else [""]:
            shown = [c for c in here if layout.shows(c) and (not one or c.cell.condition.family == one)]
            clean = [c for c in here if c.cell.condition.family == CLEAN]
            of = {"task": key[0], "dataset": key[1], "view": key[2], "model": key[3]}
            of["family"] = one if layout.split and len(families) > 1 else ""
            sheet = _Sheet(
                layout, scored, loaded.records, Draws(loaded.info.seed, shown[0].cell.dataset.own_label), notes, rates
            )
            groups.append(sheet.group(of, [*clean, *(c for c in shown if c.cell.condition.family != CLEAN)]))
    title = f"{scored.title} by {layout.by}"
    return Table(
        layout.name, title, tuple(groups), tuple(notes.texts), _remarks(groups, scored), "", scored.name, scored.title
    )


def group_key(result: CellResult) -> tuple[str, str, str, str, int]:
    cell = result.cell
    return cell.task, cell.dataset.label, cell.view.label, cell.model.label, cell.source


@dataclass(frozen=True)
class _Sheet:
    """What the groups of a table share."""

    layout: Layout
    scored: Scored
    records: Mapping[str, Records]
    draws: Draws
    notes: Notes
    rates: Mapping[tuple[int, str], float]

    def group(self, of: Mapping[str, str], cells: Sequence[CellResult]) -> Group:
        degraded = {result.cell.condition.label: result for result in cells if result.cell.condition.family != CLEAN}
        if self.layout.sort:
            sign = -1 if self.layout.descending else 1
            degraded = dict(sorted(degraded.items(), key=lambda item: sign * _place(item[1], self.rates)))
        columns: dict[str, list[str]] = {}
        for name, result in degraded.items():
            columns.setdefault(self.layout.column(result), []).append(name)
        unit, better = self.scored.unit, self.scored.metric.higher_is_better
        clean = next((r.cell.condition.label for r in cells if r.cell.condition.family == CLEAN), CLEAN)
        heads = (
            Column(clean, clean, unit, better),
            *(self._head(name, degraded[names[0]]) for name, names in columns.items()),
            *(self._summary_heads() if degraded else ()),
            Column("n", "n", "count"),
        )
        methods = list(dict.fromkeys(result.cell.method.label for result in cells))
        rows_of = {method: [result for result in cells if result.cell.method.label == method] for method in methods}
        names = [clean, *(name for column in columns.values() for name in column)]
        points_of = {method: self._points(rows_of[method], names) for method in methods}
        direct = next((points_of[r.cell.method.label] for r in cells if r.cell.method.name == DIRECT), {})
        rows = [
            self._row(rows_of[method], [[clean], *columns.values()], points_of[method], direct) for method in methods
        ]
        return Group(of, heads, marked(rows, heads))

    def _head(self, name: str, result: CellResult) -> Column:
        unit, better = self.scored.unit, self.scored.metric.higher_is_better
        if not self.layout.rates:
            return Column(name, self.layout.heading(result), unit, better)
        rate = self.rates[source_and_condition(result)]
        heading = f"{self.layout.heading(result)}: {rate:.2f} bpp"
        return Column(name, heading, unit, better, rate, result.cell.condition.family)

    def _points(self, cells: Sequence[CellResult], conditions: Sequence[str]) -> dict[str, Point]:
        found = {}
        for condition in conditions:
            here = [result for result in cells if result.cell.condition.label == condition]
            if here and all(result.status == "done" for result in here):
                found[condition] = point(self.scored, here, self.records)
        return found

    def _row(
        self,
        cells: Sequence[CellResult],
        columns: Sequence[Sequence[str]],
        points: Mapping[str, Point],
        direct: Mapping[str, Point],
    ) -> Row:
        """The row of one method; the first column is clean."""
        method = cells[0].cell.method
        degraded = {
            result.cell.condition.label: result.cell.condition.family
            for result in cells
            if result.cell.condition.family != CLEAN
        }
        degraded = {name: degraded.get(name, "") for column in columns[1:] for name in column}
        values = [self._cell(column, points, cells) for column in columns]
        if degraded:
            values += self._summary(points, columns[0][0], degraded, direct if method.name != DIRECT else {})
        values.append(_denominator(list(points.values()), max(result.cell.samples for result in cells)))
        return Row(method.label, method.oracle, tuple(values))

    def _summary_heads(self) -> list[Column]:
        unit, better = self.scored.unit, self.scored.metric.higher_is_better
        found = [Column("average", "average", unit, better), Column("gain", "gain", GAINS[unit], better)]
        return [*found, Column("rpc", "rPC", "percent", True)] if self._has_relative else found

    def _summary(
        self, points: Mapping[str, Point], clean: str, degraded: Mapping[str, str], direct: Mapping[str, Point]
    ) -> list[Value]:
        """Average, gain and, where the metric has one, relative performance over the degraded conditions, which are
        given with their families."""
        whole = [points[name] for name in degraded if name in points]
        complete = len(whole) == len(degraded)
        compared = complete and all(name in direct for name in degraded)
        found = [
            average(whole, self.draws) if complete else DASH,
            gain(whole, [direct[name] for name in degraded], self.draws) if compared else DASH,
        ]
        if self._has_relative:
            found.append(self._relative(points, clean, degraded) if complete and clean in points else DASH)
        return found

    @property
    def _has_relative(self) -> bool:
        return hasattr(self.scored.metric, "relative")

    def _relative(self, points: Mapping[str, Point], clean: str, degraded: Mapping[str, str]) -> Value:
        families: dict[str, list[Point]] = {}
        for name, family in degraded.items():
            families.setdefault(family, []).append(points[name])
        return relative(points[clean], families, self.draws)

    def _cell(self, conditions: Sequence[str], points: Mapping[str, Point], cells: Sequence[CellResult]) -> Value:
        """One condition's score, or the mean over those of a column; the first one that is missing says why."""
        absent = [name for name in conditions if name not in points]
        if absent:
            return missing(cells, absent[0], self.notes)
        here = [points[name] for name in conditions]
        return single(here[0], self.draws) if len(here) == 1 else average(here, self.draws)


def _place(result: CellResult, rates: Mapping[tuple[int, str], float]) -> float:
    """Where a condition stands on its table's axis."""
    if rates:
        return rates[source_and_condition(result)]
    axis = result.cell.condition.axis
    return axis[1] if axis else 0.0


def missing(cells: Sequence[CellResult], condition: str, notes: Notes) -> Value:
    """Why there is no number: the worst status of the cells under a condition, with its reason as a footnote."""
    here = [result for result in cells if result.cell.condition.label == condition and result.status != "done"]
    if not here:
        return DASH
    worst = min(here, key=lambda result: STATUS_SHOWN.index(result.status))
    text = f"{worst.cell.method.label} on {worst.cell.model.label}: {worst.reason}"
    return Value(None, missing=worst.status, note=notes.number(text) if worst.reason else None)


def _denominator(points: Sequence[Point], samples: int) -> Value:
    """The fewest samples that count in a cell of the row, out of those asked for (`high`)."""
    if not points:
        return DASH
    n = min(one.n for one in points)
    return Value(float(n), high=float(samples), n=n, bad=max(one.bad for one in points))


def _remarks(groups: Sequence[Group], scored: Scored) -> tuple[str, ...]:
    rows = [row for group in groups for row in group.rows]
    values = [value for row in rows for value in row.values]
    bad = max((value.bad for value in values), default=0)
    wilsons = "Wilson's score interval for one condition, " if scored.is_share else ""
    what = "averages and gains" if scored.is_share else "all scores"
    remarks = [
        f"In brackets: 95% intervals; {wilsons}the {scored.bootstrap} bootstrap by sample "
        f"({scored.resamples:,} resamples, the same for all methods) for {what}.",
        "average: mean of the degraded conditions, without clean. gain: average minus that of direct on the same "
        f"samples, {_GAIN_IN[scored.unit]}with its paired interval. n: samples scored in every cell of the row, "
        "of those asked for.",
        "Best in bold, second underlined, among the methods; numbers that are equal as shown share a mark.",
    ]
    if hasattr(scored.metric, "relative"):
        remarks.append("rPC: relative performance under corruption, the mean over corruptions of the mean over their "
                       "severities, in percent of the clean score (arXiv 1907.07484).")  # fmt: skip
    if any(row.oracle for row in rows):
        remarks.append("†: reads facts of the degradation that a real picture does not bring; takes no part in marks.")
    if any(value.seeds > 1 for value in values):
        remarks.append("±: standard deviation over train_seeds; such numbers are means over them.")
    if bad:
        remarks.append(f"Samples that could not be read: up to {bad} in a cell; they count in no cell's score.")
    return tuple(remarks)
