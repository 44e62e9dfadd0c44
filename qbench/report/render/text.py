"""Numbers as text, the same in every renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign

from qbench.errors import one_line
from qbench.report.leaderboard import Column, Group, Row, Unit, Value

DAGGER, STAR = "†", "*"
WIDE = 10
_TIE = 1e-9
"""Shares are counts over counts: halves of the last digit shown are ties, which go away from zero as a reader rounds
them, however the float lies (62.75 is 62.8, though 100 * 0.6275 is a little less)."""
_FORMATS: dict[Unit, Callable[[float], str]] = {
    "percent": lambda v: f"{_percent(v):.1f}",
    "percent printed": lambda v: f"{100 * v:.2f}",
    "points": lambda v: _unsigned_zero(f"{_percent(v):+.1f}"),
    "db": lambda v: f"{v:.2f}",
    "db gain": lambda v: _unsigned_zero(f"{v:+.2f}"),
    "plain": lambda v: f"{v:.3f}",
    "plain gain": lambda v: _unsigned_zero(f"{v:+.3f}"),
    "count": lambda v: f"{v:.0f}",
    "parameters": lambda v: f"{v / 1e6:.3f}",
    "macs": lambda v: f"{v / 1e9:.3f}",
    "ms": lambda v: f"{v:.2f}",
    "ratio": lambda v: f"{v:.2f}",
}


def _percent(share: float) -> float:
    return 100 * share + copysign(_TIE, share)


def _unsigned_zero(text: str) -> str:
    return text if float(text) else text[1:]


def number(value: Value, column: Column) -> str:
    """The number, with its spread, and a star where it is a gain that holds; `398/400` where fewer samples count than
    the run has; or why there is none."""
    if value.value is None:
        return value.missing
    text = _FORMATS[column.unit](value.value)
    if column.unit == "count" and value.high is not None and value.high != value.value:
        text += f"/{value.high:.0f}"
    if column.unit == "count" and value.bad:
        text += f" ({value.bad} bad)"
    if value.holds:
        text += STAR
    return f"{text} ± {_FORMATS[column.unit](value.spread).lstrip('+')}" if value.spread is not None else text


def interval(value: Value, column: Column) -> str:
    """`[72.6, 80.8]`, or an empty string."""
    if value.value is None or value.low is None or value.high is None:
        return ""
    show = _FORMATS[column.unit]
    return f"[{show(value.low)}, {show(value.high)}]"


def letters(value: Value, column: Column) -> str:
    """Those that a page shows behind a number."""
    return value.letters if column.with_letters else ""


def method(row: Row) -> str:
    return one_line(row.method) + (DAGGER if row.oracle else "")


@dataclass(frozen=True)
class TextTable:
    """A group as it stands on a page: the heads of its columns, and its lines with their titles."""

    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[tuple[Value, Column], ...]], ...]
    turned: bool = False


def text_table(group: Group) -> TextTable:
    """A line for each method; a group of more than WIDE columns is turned, a line for each of them. All of its text is
    of printable characters."""
    heads = tuple(one_line(column.heading) for column in group.columns)
    if len(group.columns) <= WIDE and not group.lines:
        lines = tuple((method(row), tuple(zip(row.values, group.columns, strict=True))) for row in group.rows)
        return TextTable(("method", *heads), lines)
    turned = tuple(
        (heads[i], tuple((row.values[i], column) for row in group.rows)) for i, column in enumerate(group.columns)
    )
    return TextTable((group.lines or "condition", *(method(row) for row in group.rows)), turned, turned=True)
