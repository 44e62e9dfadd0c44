"""Which numbers of a column are best and second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from qbench.report.leaderboard import Column, Mark, Row, Unit, Value

DECIMALS: dict[Unit, int] = {
    "percent": 3, "points": 3, "ms": 2, "ratio": 2, "db": 2, "db gain": 2, "plain": 3, "plain gain": 3,
}  # fmt: skip
"""At what decimal numbers count as a tie: the one that tables show (accuracies are fractions, shown in percent)."""


Apart = Callable[[int, int, int], bool]
"""Whether the numbers of two rows in a column (its place, and theirs) differ by more than chance may make."""


def marked(rows: Sequence[Row], columns: Sequence[Column], apart: Apart | None = None) -> tuple[Row, ...]:
    """The rows with best and second marked in each column that has a direction.

    With `apart`, best is marked where it is apart from the second, and second where it is apart from the third too.
    Without, numbers are what they are, and ties share a mark. Oracles and rows that are not ranked take no part; nor
    does a column with fewer than two."""
    for index, column in enumerate(columns):
        if column.higher_is_better is not None:
            places = _places(rows, index, column, column.higher_is_better)
            marks = _of_ties(places) if apart is None else _of_those_apart(places, partial(apart, index))
            rows = [_with_mark(row, index, marks.get(place, "")) for place, row in enumerate(rows)]
    return tuple(rows)


def _places(rows: Sequence[Row], index: int, column: Column, higher: bool) -> list[tuple[float, int]]:
    """Numbers as shown with their rows' places, the best first."""
    ranked = [
        (_shown(row.values[index], DECIMALS.get(column.unit)), row.values[index].value, place)
        for place, row in enumerate(rows)
        if not row.oracle and row.is_ranked
    ]
    known = [(shown, whole, place) for shown, whole, place in ranked if shown is not None and whole is not None]
    known.sort(key=lambda one: one[1], reverse=higher)
    return [(shown, place) for shown, _, place in known]


def _of_ties(places: Sequence[tuple[float, int]]) -> dict[int, Mark]:
    if len(places) < 2:
        return {}
    names: dict[float, Mark] = dict(zip(dict.fromkeys(shown for shown, _ in places), ("best", "second"), strict=False))
    return {place: names[shown] for shown, place in places if shown in names}


def _of_those_apart(places: Sequence[tuple[float, int]], apart: Callable[[int, int], bool]) -> dict[int, Mark]:
    order = [place for _, place in places]
    if len(order) < 2 or not apart(order[0], order[1]):
        return {}
    if len(order) > 2 and not apart(order[1], order[2]):
        return {order[0]: "best"}
    return {order[0]: "best", order[1]: "second"}


def _with_mark(row: Row, index: int, mark: Mark) -> Row:
    values = list(row.values)
    values[index] = replace(values[index], mark=mark)
    return replace(row, values=tuple(values))


def _shown(value: Value, decimals: int | None) -> float | None:
    if value.value is None or decimals is None:
        return value.value
    return round(value.value, decimals)
