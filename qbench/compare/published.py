"""A run against the figures of a paper. Nothing is paired: a paper gives no scores by sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qbench.compare.lines import Line
from qbench.compare.sides import Side, Spot
from qbench.errors import QbenchError
from qbench.report.leaderboard import Group, Row, Value
from qbench.report.tables.published import METRIC, published
from qbench.suite.published import Shown

REMARK = "not paired: a paper gives no scores by sample, and the interval is of ours alone"


def against_paper(side: Side, tables: Sequence[Shown]) -> list[Line]:
    """What a run has of the accuracies of a paper's tables. Raises QbenchError where these have none."""
    if not any(shown.table.rows for shown in tables):
        raise QbenchError("there is no table of accuracies among the published figures to compare with")
    shown = [one for one in tables if one.table.rows]
    info = side.loaded.info.model_copy(update={"published": tuple(shown)})
    grids = replace(side.grids, loaded=replace(side.loaded, info=info))
    found = [
        line for table in published(grids) for group in table.groups for line in _of_group(side.name, table.name, group)
    ]
    if not found:
        ours = dict.fromkeys(result.cell.model.label for result in info.cells)
        theirs = dict.fromkeys(row.model for one in shown for row in one.table.rows)
        raise QbenchError(
            f"no figure of the paper is of a model and method of {side.name}, by their names in tables; "
            f"models: {', '.join(ours)} there, {', '.join(theirs)} in the paper"
        )
    return found


def _of_group(run: str, table: str, group: Group) -> Iterator[Line]:
    of = group.of
    for row in group.rows:
        if _has(row):
            spot = Spot(of["task"], of["dataset"], of["view"], of["model"], row.method, METRIC)
            pairs = zip(group.columns[::2], row.values[::2], row.values[1::2], strict=True)
            for column, ours, theirs in pairs:
                if theirs.value is not None:
                    yield _line(run, table, spot, column.name, ours, theirs.value)


def _has(row: Row) -> bool:
    """Whether a row has a figure of the run, or a reason why it has none."""
    return any(value.value is not None or value.note for value in row.values[::2])


def _line(run: str, table: str, spot: Spot, condition: str, ours: Value, theirs: float) -> Line:
    line = Line(table, run, spot, condition, "percent", before=theirs, n=ours.n, higher_is_better=True)
    if ours.value is None:
        return replace(line, why=f"{run} has no such figure ({ours.missing})")
    low, high = (None if end is None else end - theirs for end in (ours.low, ours.high))
    return replace(line, score=ours.value, difference=ours.value - theirs, low=low, high=high)
