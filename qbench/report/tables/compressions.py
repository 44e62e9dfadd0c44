"""Robustness to several compressions: the mean score over one to five of them, over the clean score."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from qbench import registry
from qbench.compute.cell import ConditionItem, MethodItem
from qbench.errors import QbenchError
from qbench.report.combined import combined, ratio
from qbench.report.declared import table
from qbench.report.grid import Grid, Grids, identity, is_clean
from qbench.report.leaderboard import DASH, Column, Group, Row, Table, Value
from qbench.report.metric import ShownMetric
from qbench.report.notes import Notes
from qbench.report.remarks import under
from qbench.report.tables.worst import REMARK, one, points_of, worst

NAME = "compression-robustness"
TIMES = (1, 2, 3, 4, 5)
"""How many compressions the mean is over."""
FIXED: Mapping[str, str] = {"rejpeg": "4:2:0 chroma"}
"""What a condition's parameters do not say of how it compresses."""
Series = Mapping[int, ConditionItem]
"""Conditions that differ in the number of compressions alone, by that number."""


@table(NAME, order=5)
def compression_robustness(grids: Grids) -> list[Table]:
    """A table for each score in percent of which more is better: of others the ratio to clean says nothing."""
    shown = [(ShownMetric(item), grids.of(task, item)) for task, item in grids.metrics]
    tables = [_table(metric, of, grids) for metric, of in shown if metric.unit == "percent" and metric.higher_is_better]
    empty = "No score in percent of this run has conditions of several compressions."
    return [table for table in tables if table.groups] or [Table(NAME, "Robustness to compressions", (), empty=empty)]


def _table(metric: ShownMetric, grids: Sequence[Grid], run: Grids) -> Table:
    notes = Notes()
    series = [(grid, several, len(_series(grid)) > 1) for grid in grids for several in _series(grid)]
    groups = tuple(_group(grid, several, is_one_of_some, notes) for grid, several, is_one_of_some in series)
    codecs = tuple(dict.fromkeys(_encoding(several, run.info.environment) for _, several, _ in series))
    title = f"{metric.title}: robustness to several compressions"
    remarks = (_REMARK, *codecs, REMARK, *under(metric, [grid for grid, *_ in series], groups))
    return Table(NAME, title, groups, tuple(notes.texts), remarks, "", metric.name, metric.title)


def _series(grid: Grid) -> list[Series]:
    found: dict[str, dict[int, ConditionItem]] = {}
    for condition in grid.conditions:
        if condition.axis is not None and condition.axis[0] == "times":
            others = {name: value for name, value in condition.params.items() if name != "times"}
            alike = identity(condition.model_copy(update={"params": others, "label": condition.family}))
            found.setdefault(alike, {})[int(condition.axis[1])] = condition
    return list(found.values())


def _group(grid: Grid, series: Series, is_one_of_some: bool, notes: Notes) -> Group:
    clean = next((condition for condition in grid.conditions if is_clean(condition)), None)
    names = {
        **({clean.label: clean.label} if clean else {}), **{f"times {n}": f"×{n}" for n in TIMES},
        "robustness": "robustness", "worst": "worst",
    }  # fmt: skip
    columns = tuple(Column(name, heading, "percent", True) for name, heading in names.items())
    rows = [
        Row(method.label, method.oracle, tuple(_row(grid, method, clean, series, notes))) for method in grid.methods()
    ]
    return Group(grid.place.titled(_told(series) if is_one_of_some else ""), columns, tuple(rows))


def _row(grid: Grid, method: MethodItem, clean: ConditionItem | None, series: Series, notes: Notes) -> list[Value]:
    several = [series[n] for n in TIMES if n in series]
    return [
        *([one(grid, method, clean, notes)] if clean else []),
        *(one(grid, method, series[n], notes) if n in series else DASH for n in TIMES),
        _robustness(grid, method, clean, series, notes),
        worst(grid, method, several, notes) if several else DASH,
    ]


def _robustness(grid: Grid, method: MethodItem, clean: ConditionItem | None, series: Series, notes: Notes) -> Value:
    lacking = [*(["clean pictures"] if clean is None else []), *(f"×{n}" for n in TIMES if n not in series)]
    if clean is None or lacking:
        why = f"robustness is the mean over ×1 to ×5, over clean; this run has no {', '.join(lacking)}"
        return Value(None, missing="n/a", note=notes.number(why))
    points, missing = points_of(grid, method, [clean, *(series[n] for n in TIMES)], notes)
    if not points:
        return missing
    return combined(points, lambda scores: ratio(scores[1:].mean(axis=0), scores[0]), is_ratio=True)


def _told(series: Series) -> str:
    """The family, with the parameters that the conditions share."""
    condition = next(iter(series.values()))
    params = [f"{name} {_text(value)}" for name, value in condition.params.items() if name != "times"]
    return ", ".join([condition.family, *params])


def _encoding(series: Series, environment: Mapping[str, Any]) -> str:
    """With what and how a series compresses: encoder, chroma, qualities and grid."""
    condition = next(iter(series.values()))
    try:
        entry = registry.get("condition", condition.name)
    except QbenchError:  # a plug-in's that is not here
        libraries, defaults = [], {}
    else:
        signature = inspect.signature(entry.schema).parameters.values()
        defaults = {one.name: one.default for one in signature if one.default is not one.empty}
        libraries = [f"{name} {environment.get(name, '')}".strip() for name in entry.facts.get("libraries", ())]
    params = {**defaults, **condition.params}
    told = [*libraries, *([FIXED[condition.name]] if condition.name in FIXED else [])]
    told += [_parameter(name, value) for name, value in params.items() if name != "times"]
    return f"{condition.family}: {', '.join(told)}." if told else f"{condition.family}."


def _parameter(name: str, value: Any) -> str:
    if name != "shift":
        return f"{name} {_text(value)}"
    if isinstance(value, int):
        drawn = f"each later grid 0 to {value - 1} pixels further left and up (drawn)"
        return drawn if value else "all on one grid"
    return f"each later grid moved by {_text(value)} pixels"


def _text(value: Any) -> str:
    """A parameter in words: what is drawn, as the suite writes it."""
    value = value if isinstance(value, Mapping | int | float | str | list | tuple) else vars(value)
    match value:
        case {"any": values}:
            return f"any of {', '.join(map(str, values))} (drawn for each)"
        case {"between": [low, high], **_others}:
            return f"between {low} and {high} (drawn)"
        case Mapping():
            return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)


_REMARK = (
    "×n: the score after n compressions, one after the other. robustness: the mean of ×1 to ×5, in percent of the "
    "clean score; its interval is the bootstrap's standard one, numerator and denominator on the same samples."
)
