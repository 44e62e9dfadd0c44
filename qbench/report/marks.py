"""What is marked: the best of a column, methods that are told apart, gains that hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import isnan
from typing import Any

from qbench.report.leaderboard import Column, Group, Mark, Row, Table, Unit, Value
from qbench.stats.holm import holm, letters

DECIMALS: dict[Unit, int] = {
    "percent": 3, "points": 3, "ms": 2, "ratio": 2, "db": 2, "db gain": 2, "plain": 3, "plain gain": 3,
}  # fmt: skip
"""At what decimal numbers count as a tie: the one that tables show (accuracies are fractions, shown in percent)."""
LEVEL = 0.05
"""How often a family of comparisons calls at least one difference that is none."""
PValue = Callable[[int, int, int], float]
"""The p-value of no difference between the numbers of two rows in a column (its place, and theirs); NaN where none is
known."""


def marked(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """The rows with best and second marked in each column that has a direction; ties share a mark. Oracles and rows
    that are not ranked take no part; nor does a column with fewer than two."""
    for index, column in enumerate(columns):
        places = _places(rows, index, column)
        if len(places) > 1:
            shown = [_shown(rows[place].values[index], DECIMALS.get(column.unit)) for place in places]
            names: dict[float | None, Mark] = dict(zip(dict.fromkeys(shown), ("best", "second"), strict=False))
            marks = {place: names.get(number, "") for place, number in zip(places, shown, strict=True)}
            rows = [_with(row, index, mark=marks.get(place, "")) for place, row in enumerate(rows)]
    return tuple(rows)


def ranked(groups: Sequence[tuple[Group, PValue]]) -> tuple[Group, ...]:
    """The groups of one table with the letters and marks of each column that has a direction.

    All pairs of rows in all these columns are one family of comparisons (Holm). Numbers that share a letter are not
    told apart. Best are those that are not told apart from the best, second those of the rest that are not from the
    best of the rest; what would be all of them is not marked."""
    rows = [list(group.rows) for group, _ in groups]
    compared = [
        (number, index, places, list(combinations(places, 2)))
        for number, (group, _) in enumerate(groups)
        for index, column in enumerate(group.columns)
        if (places := _places(group.rows, index, column))
    ]
    p = [groups[number][1](index, *pair) for number, index, _, pairs in compared for pair in pairs]
    adjusted = iter(holm(p).tolist())
    for number, index, places, pairs in compared:
        known = {pair: next(adjusted) for pair in pairs}
        if any(not isnan(p) for p in known.values()):
            _letter(rows[number], index, places, {pair for pair, p in known.items() if p <= LEVEL})
    return tuple(replace(group, rows=tuple(of)) for (group, _), of in zip(groups, rows, strict=True))


def _letter(rows: list[Row], index: int, places: Sequence[int], apart: Collection[tuple[int, int]]) -> None:
    """Write letters and marks into a column; `places` are those of its rows, the best first."""
    names = letters(len(places), lambda one, other: (places[one], places[other]) in apart)
    best = [place for place in places if (places[0], place) not in apart]
    rest = [place for place in places if place not in best]
    second = [place for place in rest if (rest[0], place) not in apart]
    marks: dict[int, Mark] = dict.fromkeys(best if rest else [], "best")
    marks |= dict.fromkeys(second if len(second) < len(rest) else [], "second")
    for place, name in zip(places, names, strict=True):
        rows[place] = _with(rows[place], index, mark=marks.get(place, ""), letters=name)


def starred(tables: Sequence[Table]) -> tuple[Table, ...]:
    """The tables of a page, each gain with whether it holds. Gains of one name are one family of comparisons (Holm);
    a remark says how many."""
    holding: dict[str, Iterator[bool]] = {}
    sizes: dict[str, int] = {}
    for name in dict.fromkeys(table.gains for table in tables):
        family = [value.p for table in tables if table.gains == name for value in _values(table)]
        known = [p for p in family if p is not None]
        holding[name], sizes[name] = iter((holm(known) <= LEVEL).tolist()), len(known)
    return tuple(_starred(table, holding[table.gains], sizes[table.gains]) for table in tables)


def _starred(table: Table, holding: Iterator[bool], size: int) -> Table:
    if all(value.p is None for value in _values(table)):
        return table
    groups = tuple(
        replace(group, rows=tuple(
            replace(row, values=tuple(
                value if value.p is None else replace(value, holds=next(holding)) for value in row.values
            ))
            for row in group.rows
        ))
        for group in table.groups
    )  # fmt: skip
    sure = f"Holm's procedure over all {size} {table.gains} of this page, 5%" if size > 1 else "p at most 0.05"
    remark = f"*: differs from zero ({sure})."
    return replace(table, groups=groups, remarks=(*table.remarks, remark))


def _values(table: Table) -> Iterator[Value]:
    return (value for group in table.groups for row in group.rows for value in row.values)


def _places(rows: Sequence[Row], index: int, column: Column) -> list[int]:
    """The places of the rows that are ranked in a column, the best first; empty for a column without a direction."""
    if column.higher_is_better is None:
        return []
    known = [
        (value, place)
        for place, row in enumerate(rows)
        if not row.oracle and row.is_ranked and (value := row.values[index].value) is not None
    ]
    known.sort(key=lambda one: one[0], reverse=column.higher_is_better)
    return [place for _, place in known]


def _with(row: Row, index: int, **changes: Any) -> Row:
    values = list(row.values)
    values[index] = replace(values[index], **changes)
    return replace(row, values=tuple(values))


def _shown(value: Value, decimals: int | None) -> float | None:
    if value.value is None or decimals is None:
        return value.value
    return round(value.value, decimals)
