"""Footnotes of a table: why numbers are missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from qbench.compute.cell import ConditionItem, MethodItem
from qbench.report.grid import Grid
from qbench.report.leaderboard import DASH, Value


@dataclass
class Notes:
    """Footnotes of one table, numbered from 1; the same text keeps its number."""

    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def missing(self, grid: Grid, method: MethodItem, condition: ConditionItem) -> Value:
        """In place of a number: the worst status of the cells that are not done, with its reason as a footnote."""
        result = grid.unfinished(method, condition)
        if result is None:
            return DASH
        text = f"{method.label} on {grid.place.model}: {result.reason}"
        return Value(None, missing=result.status, note=self.number(text) if result.reason else None)
