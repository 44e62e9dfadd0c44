"""The layouts of tables over conditions: what each shows, and what stands in one column."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from qbench.report.source import Loaded
from qbench.runs.run_info import CellInfo
from qbench.tasks.score import readable

CLEAN = "clean"


def family(condition: str) -> str:
    """`jpeg` of `jpeg@10`, `fog (parity)` of `fog/3 (parity)`: conditions that belong on one axis."""
    return re.sub(r"[@×/]-?[\d.]+", "", condition) if "→" not in condition else condition


def _condition(cell: CellInfo) -> str:
    return cell.condition


@dataclass(frozen=True)
class Layout:
    """A table over conditions: what it is by, the conditions that it shows, and the column that each belongs to."""

    name: str
    by: str
    shows: Callable[[CellInfo], bool]
    heading: Callable[[CellInfo], str]
    column: Callable[[CellInfo], str] = _condition
    """Conditions of one column are averaged; one condition a column by default."""
    descending: bool = False
    split: bool = True
    """Whether every family of conditions gets rows of its own."""
    sort: bool = True
    """Whether columns come in the order of their place on the axis, or of the suite."""
    rates: bool = False
    """Whether the axis is the measured rate."""


def _on(axis: str) -> Callable[[CellInfo], bool]:
    return lambda cell: cell.axis is not None and cell.axis[0] == axis


def _degraded(cell: CellInfo) -> bool:
    return cell.condition != CLEAN


def _number(cell: CellInfo) -> str:
    return f"{cell.axis[1]:g}" if cell.axis else cell.condition


def _corruption(cell: CellInfo) -> str:
    return family(cell.condition)


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
    if name == BY_CONDITION and not any(_degraded(cell) for cell in loaded.info.cells):
        return replace(found, shows=lambda cell: True)
    if not found.rates:
        return found
    rates = rates_of(loaded)
    return replace(found, shows=lambda cell: cell.condition != CLEAN and (cell.source, cell.condition) in rates)


def rates_of(loaded: Loaded) -> dict[tuple[int, str], float]:
    """Mean bits per pixel of a source under a condition, where its samples were files; all cells of it agree."""
    found: dict[tuple[int, str], float] = {}
    for cell in loaded.info.cells:
        records = loaded.records.get(cell.place)
        if records is None or (cell.source, cell.condition) in found:
            continue
        rates = np.asarray(records["bpp"], dtype=np.float64)[readable(records)]
        if len(rates) and np.isfinite(rates).all():
            found[cell.source, cell.condition] = float(rates.mean())
    return found
