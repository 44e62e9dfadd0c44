"""The layouts of tables over conditions: what each shows, and what stands in one column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from qbench.report.source import Loaded
from qbench.runs.run_info import CellResult
from qbench.tasks.score import readable

CLEAN = "clean"
"""The family of pictures that nothing was done to."""


def _condition(result: CellResult) -> str:
    return result.cell.condition.label


@dataclass(frozen=True)
class Layout:
    """A table over conditions: what it is by, the conditions that it shows, and the column that each belongs to."""

    name: str
    by: str
    shows: Callable[[CellResult], bool]
    heading: Callable[[CellResult], str]
    column: Callable[[CellResult], str] = _condition
    """Conditions of one column are averaged; one condition a column by default."""
    descending: bool = False
    split: bool = True
    """Whether every family of conditions gets rows of its own."""
    sort: bool = True
    """Whether columns come in the order of their place on the axis, or of the suite."""
    rates: bool = False
    """Whether the axis is the measured rate."""


def _on(axis: str) -> Callable[[CellResult], bool]:
    def on_axis(result: CellResult) -> bool:
        at = result.cell.condition.axis
        return at is not None and at[0] == axis

    return on_axis


def _degraded(result: CellResult) -> bool:
    return result.cell.condition.family != CLEAN


def source_and_condition(result: CellResult) -> tuple[int, str]:
    return result.cell.source, result.cell.condition.label


def _number(result: CellResult) -> str:
    condition = result.cell.condition
    return f"{condition.axis[1]:g}" if condition.axis else condition.label


def _corruption(result: CellResult) -> str:
    return result.cell.condition.family


BY_CONDITION, BY_RATE = "accuracy-by-condition", "accuracy-by-rate"
LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "accuracy-by-quality", "quality factor", _on("quality"),
            lambda c: f"Q{_number(c)}", descending=True
        ),
        Layout(
            "accuracy-by-times", "number of compressions", _on("times"), lambda c: f"{_number(c)}×"
        ),
        Layout(
            BY_RATE, "bits per pixel", _degraded, _condition, descending=True, split=False, rates=True
        ),
        Layout(
            "accuracy-by-corruption", "corruption, mean of its severities", _on("severity"), _corruption,
            column=_corruption, split=False, sort=False,
        ),
        Layout(
            "accuracy-by-severity", "severity, mean of the corruptions", _on("severity"), _number,
            column=_number, split=False,
        ),
        Layout(BY_CONDITION, "condition", _degraded, _condition, split=False, sort=False),
    )
}  # fmt: skip


def layout(name: str, loaded: Loaded) -> Layout:
    """The layout of that name; by rate, of those that have one; by condition, of clean where nothing else is."""
    found = LAYOUTS[name]
    if name == BY_CONDITION and not any(_degraded(result) for result in loaded.info.cells):
        return replace(found, shows=lambda _: True)
    if not found.rates:
        return found
    rates = rates_of(loaded)
    return replace(found, shows=lambda result: _degraded(result) and source_and_condition(result) in rates)


def rates_of(loaded: Loaded) -> dict[tuple[int, str], float]:
    """Mean bits per pixel of a source under a condition, where its samples were files; all cells of it agree."""
    found: dict[tuple[int, str], float] = {}
    for result in loaded.info.cells:
        records = loaded.records.get(result.cell.place)
        if records is None or source_and_condition(result) in found:
            continue
        rates = np.asarray(records["bpp"], dtype=np.float64)[readable(records)]
        if len(rates) and np.isfinite(rates).all():
            found[source_and_condition(result)] = float(rates.mean())
    return found
