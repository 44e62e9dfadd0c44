"""The layouts of tables over conditions: which conditions each shows, and what stands in one column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qbench.compute.cell import ConditionItem
from qbench.report.grid import Grid, is_clean


def _label(condition: ConditionItem) -> str:
    return condition.label


def _family(condition: ConditionItem) -> str:
    return condition.family


def _position(condition: ConditionItem) -> str:
    return f"{condition.axis[1]:g}" if condition.axis else condition.label


@dataclass(frozen=True)
class Layout:
    """A table over conditions: what it is by, the conditions that it shows, and the column that each belongs to."""

    name: str
    by: str
    heading: Callable[[ConditionItem], str] = _label
    column: Callable[[ConditionItem], str] = _label
    """Conditions of one column are averaged; one condition a column by default."""
    axis: str = ""
    """Shows the conditions on this axis; all degraded ones by default."""
    is_by_rate: bool = False
    """Shows the conditions that have a measured rate, which is then the axis."""
    descending: bool = False
    is_split: bool = False
    """Whether every family of conditions gets rows of its own."""
    is_sorted: bool = True
    """Whether columns come in the order of their place on the axis, or of the suite."""
    drawn: str = ""
    """What a picture writes below the axis; without it there is none."""
    besides: tuple[Layout, ...] = ()
    """Leaves out what these show."""
    with_clean_alone: bool = False
    """Shows clean pictures too where nothing is degraded."""

    def shows(self, grid: Grid, condition: ConditionItem) -> bool:
        if any(other.shows(grid, condition) for other in self.besides):
            return False
        if is_clean(condition):
            return self.with_clean_alone
        if self.is_by_rate:
            return grid.rate(condition) is not None
        return not self.axis or (condition.axis is not None and condition.axis[0] == self.axis)

    def place(self, grid: Grid, condition: ConditionItem) -> float:
        """Where a condition stands on the axis."""
        place = grid.rate(condition) if self.is_by_rate else condition.axis and condition.axis[1]
        return (place or 0.0) * (-1 if self.descending else 1)


BY_CONDITION = Layout("accuracy-by-condition", "condition", is_sorted=False)
LAYOUTS = (
    Layout(
        "accuracy-by-quality", "quality factor", axis="quality", descending=True, is_split=True,
        drawn="quality factor (from light to strong)",
    ),
    Layout(
        "accuracy-by-times", "number of compressions", axis="times", is_split=True,
        drawn="number of compressions",
    ),
    Layout(
        "accuracy-by-rate", "bits per pixel", is_by_rate=True, descending=True, drawn="bits per pixel (logarithmic)"
    ),
    Layout(
        "accuracy-by-corruption", "corruption, mean of its severities", _family, _family, axis="severity",
        is_sorted=False,
    ),
    Layout(
        "accuracy-by-severity", "severity, mean of the corruptions", _position, _position, axis="severity",
        drawn="severity",
    ),
)  # fmt: skip
