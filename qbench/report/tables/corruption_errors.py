"""Corruption errors of ImageNet-C: errors over those of AlexNet, and their mean, mCE, beside the errors themselves.

Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations (ICLR 2019, arXiv
1903.12261), section 4.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.report.combined import combined
from qbench.report.declared import table
from qbench.report.grid import Grid, Grids, is_clean
from qbench.report.leaderboard import DASH, Column, Group, Row, Table, Value
from qbench.report.notes import Notes
from qbench.report.point import Point
from qbench.report.remarks import under
from qbench.report.values import single
from qbench.stats.bootstrap import Numbers

NAME, TITLE = "corruption-errors", "Corruption errors over AlexNet's, and mCE"
TASK, METRIC = "classification", "top1"
CLEAN_ERROR = 0.435
"""AlexNet's top-1 error on clean pictures, as table 1 of the paper prints it."""
ALEXNET: Mapping[str, float] = {
    "gaussian_noise": 0.886428, "shot_noise": 0.894468, "impulse_noise": 0.922640, "defocus_blur": 0.819880,
    "glass_blur": 0.826268, "motion_blur": 0.785948, "zoom_blur": 0.798360, "snow": 0.866816, "frost": 0.826572,
    "fog": 0.819324, "brightness": 0.564592, "contrast": 0.853204, "elastic_transform": 0.646056,
    "pixelate": 0.717840, "jpeg_compression": 0.606500,
}  # fmt: skip
"""AlexNet's top-1 error under each corruption, mean of its five severities (github.com/hendrycks/robustness)."""
SEVERITIES = (1, 2, 3, 4, 5)
Families = Mapping[str, Sequence[ConditionItem]]
OfErrors = Callable[[Numbers, Numbers], Numbers]
"""From errors of corruptions [corruptions, k], each the mean of its severities, and clean errors [k] to numbers [k]."""


@table(NAME, order=5)
def corruption_errors(grids: Grids) -> list[Table]:
    """A group for each model and dataset; without corruptions a table that says so."""
    notes = Notes()
    shown = [
        grid for task, item in grids.metrics if (task, item.name) == (TASK, METRIC) for grid in grids.of(task, item)
    ]
    shown = [grid for grid in shown if _families(grid)]
    groups = tuple(_group(grid, _families(grid), notes) for grid in shown)
    if not groups:
        return [Table(NAME, TITLE, (), empty="No cell of this run is the top-1 accuracy under a corruption.")]
    remarks = (*_REMARKS, *under(shown[0].metric, shown, groups))
    return [Table(NAME, TITLE, groups, tuple(notes.texts), remarks, "", METRIC, "Top-1 error (%)")]


def _families(grid: Grid) -> Families:
    """The conditions of each corruption that has severities, by family."""
    families: dict[str, list[ConditionItem]] = {}
    for condition in grid.conditions:
        if condition.axis is not None and condition.axis[0] == "severity":
            families.setdefault(condition.family, []).append(condition)
    return families


def _base(family: str) -> str:
    """`fog` of `fog (parity)`."""
    return family.partition(" (")[0]


def _group(grid: Grid, families: Families, notes: Notes) -> Group:
    reasons = {family: _why_not(family, conditions) for family, conditions in families.items()}
    comparable = tuple(family for family, why in reasons.items() if not why)
    is_whole = sorted(map(_base, comparable)) == sorted(ALEXNET)
    names = {"clean": "clean error", "mean": "mean error", "mce": "mCE", "relative-mce": "relative mCE"}
    if comparable and not is_whole:
        count = len(comparable)
        names |= {"mean-ce": f"mean CE of {count}", "mean-relative-ce": f"mean relative CE of {count}"}
    names |= {family: f"{family}, CE" for family in families}
    without = {family: _not_there(why, notes) for family, why in reasons.items() if why}
    if not is_whole:
        lacking = [name for name in ALEXNET if name not in map(_base, comparable)]
        why = f"mCE is the mean of fifteen corruptions in five severities; not here: {', '.join(lacking) or 'one mode'}"
        without |= dict.fromkeys(("mce", "relative-mce"), _not_there(why, notes))
    rows = []
    for method in grid.methods():
        values = {**_values(grid, method, families, comparable, notes), **without}
        rows.append(Row(method.label, method.oracle, tuple(values[name] for name in names)))
    columns = (Column(name, heading, "percent", False) for name, heading in names.items())
    return Group(grid.place.titled(), tuple(columns), tuple(rows), lines="error")


def _why_not(family: str, conditions: Sequence[ConditionItem]) -> str:
    """Why a corruption has no error of AlexNet to be compared with; empty where it has one."""
    if _base(family) not in ALEXNET:
        return f"no error of AlexNet under {family} is published"
    here = sorted(condition.axis[1] for condition in conditions if condition.axis)
    if here == list(SEVERITIES):
        return ""
    return f"AlexNet's error under {family} is the mean of five severities; here: {', '.join(f'{s:g}' for s in here)}"


def _not_there(why: str, notes: Notes) -> Value:
    return Value(None, missing="n/a", note=notes.number(why))


def _values(
    grid: Grid, method: MethodItem, families: Families, comparable: Sequence[str], notes: Notes
) -> dict[str, Value]:
    """All figures of a method, by column."""
    clean = next((condition for condition in grid.conditions if is_clean(condition)), None)
    of_clean = grid.point(method, clean) if clean else None
    points = {family: _points(grid, method, conditions) for family, conditions in families.items()}

    def figure(names: Sequence[str], of: OfErrors, needs_clean: bool = False) -> Value:
        """`of` the errors under these corruptions; where a cell is missing, why."""
        wanted = [*([clean] if needs_clean and clean else []), *(one for name in names for one in families[name])]
        missing = next((condition for condition in wanted if grid.point(method, condition) is None), None)
        if missing is not None:
            return notes.missing(grid, method, missing)
        if not names or (needs_clean and of_clean is None):
            return DASH
        return _combined([points[name] for name in names], of_clean, of)

    def ce(names: Sequence[str], is_relative: bool = False) -> Value:
        alexnet = np.array([ALEXNET[_base(name)] for name in names])[:, None]
        if is_relative:
            return figure(names, lambda errors, at: ((errors - at) / (alexnet - CLEAN_ERROR)).mean(axis=0), True)
        return figure(names, lambda errors, _: (errors / alexnet).mean(axis=0))

    return {
        "clean": _error(single(of_clean)) if of_clean else notes.missing(grid, method, clean) if clean else DASH,
        "mean": figure(tuple(families), lambda errors, _: errors.mean(axis=0)),
        **dict.fromkeys(("mce", "mean-ce"), ce(comparable)),
        **dict.fromkeys(("relative-mce", "mean-relative-ce"), ce(comparable, True)),
        **{name: ce([name]) for name in comparable},
    }


def _points(grid: Grid, method: MethodItem, conditions: Sequence[ConditionItem]) -> list[Point]:
    """Under those of the conditions that are done."""
    return [point for condition in conditions if (point := grid.point(method, condition))]


def _combined(families: Sequence[Sequence[Point]], clean: Point | None, of: OfErrors) -> Value:
    """`of` the errors in these points. Without clean pictures it does not look at their error."""
    first = families[0][0] if clean is None else clean
    starts = np.cumsum([len(points) for points in families])[:-1]

    def combine(scores: Numbers) -> Numbers:
        errors = 1 - scores
        return of(np.array([part.mean(axis=0) for part in np.split(errors[1:], starts)]), errors[0])

    return combined([first, *chain(*families)], combine)


def _error(score: Value) -> Value:
    """One minus a share."""
    value, low, high = (None if v is None else 1 - v for v in (score.value, score.high, score.low))
    return replace(score, value=value, low=low, high=high)


_REMARKS = (
    "error: one minus the top-1 accuracy. CE: the mean error over a corruption's five severities, in percent of "
    "AlexNet's on ImageNet-C; mCE: its mean over the fifteen corruptions. Relative: what is lost against clean "
    "pictures in percent of what AlexNet loses, whose clean error is 43.5% (arXiv 1903.12261).",
    "mean error: over all corruptions here, each the mean of its severities, without AlexNet.",
    "On other pictures than ImageNet-C's the division by AlexNet's errors only gives each corruption a weight: the "
    "figures are then not those of the literature.",
)
