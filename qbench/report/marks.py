"""Which numbers of a column are best and second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qbench.report.leaderboard import Column, Row, Unit, Value

DECIMALS: dict[Unit, int] = {
    "percent": 3, "points": 3, "ms": 2, "ratio": 2, "db": 2, "db gain": 2, "plain": 3, "plain gain": 3,
}  # fmt: skip
"""At what decimal numbers count as a tie: the one that tables show (accuracies are fractions, shown in percent)."""


def marked(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """The rows with best and second marked in each column that has a direction.

    Ties share a mark. Oracles and rows that are not ranked take no part; nor does a column with fewer than two."""
    for index, column in enumerate(columns):
        if column.higher_is_better is not None:
            rows = _column(rows, index, column, column.higher_is_better)
    return tuple(rows)


def _column(rows: Sequence[Row], index: int, column: Column, higher: bool) -> list[Row]:
    shown = [
        None if row.oracle or not row.is_ranked else _shown(row.values[index], DECIMALS.get(column.unit))
        for row in rows
    ]
    ranked = [value for value in shown if value is not None]
    order = sorted(set(ranked), reverse=higher)
    if len(ranked) < 2:
        return list(rows)
    marked_rows = []
    for row, value in zip(rows, shown, strict=True):
        values = list(row.values)
        if value == order[0]:
            values[index] = replace(values[index], mark="best")
        elif len(order) > 1 and value == order[1]:
            values[index] = replace(values[index], mark="second")
        marked_rows.append(replace(row, values=tuple(values)))
    return marked_rows


def _shown(value: Value, decimals: int | None) -> float | None:
    if value.value is None or decimals is None:
        return value.value
    return round(value.value, decimals)
