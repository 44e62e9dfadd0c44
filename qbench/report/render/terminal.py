"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from qbench.errors import one_line
from qbench.report.leaderboard import Column, Group, Report, Value
from qbench.report.leaderboard import Table as Leaderboard
from qbench.report.render.text import TextTable, interval, letters, number, text_table

_STYLES = {"": "", "best": "bold", "second": "underline"}

NARROW, ROOMY = 60, 112
"""Columns of a terminal that are filled at least (below, its lines wrap, and no number is cut off), and those above
which a table's columns stand two apart. Files and pipes are roomy."""


def show(report: Report, console: Console) -> None:
    """Print all tables; intervals stand below their numbers, and what is wider than the terminal comes in parts."""
    console.width = max(console.width, NARROW if console.is_terminal else ROOMY)
    console.print(_text(f"{report.title or report.suite} (suite {report.suites})", "bold"))
    for table in report.tables:
        console.print()
        _show_table(table, console)
    console.print()
    for name, text in report.provenance:
        console.print(_text(f"{name}: {text}", "dim"))


def _text(text: str, style: str = "") -> Text:
    """Text as it is, in printable characters on one line: neither markup nor terminal codes are read in it."""
    return Text(one_line(text), style)


def _show_table(table: Leaderboard, console: Console) -> None:
    console.print(_text(table.title, "bold cyan"))
    if table.empty:
        console.print(_text(table.empty))
        return
    for group in table.groups:
        console.print(_text(group.heading, "italic"))
        width = console.width
        for part in _parts(group, console):
            console.width = max(width, _width(part, console))
            console.print(part)
        console.width = width
        if group.protocol:
            console.print(_text(group.protocol.text, "dim"))
    for index, text in enumerate(table.notes, start=1):
        console.print(_text(f"({index}) {text}"))
    console.print(_text(" ".join(table.remarks), "dim"))


def _parts(group: Group, console: Console) -> Sequence[Table]:
    """The group in one table; in one with its heads in several lines, where that is too wide; else in as few tables as
    fit, of about as many columns each, with the first column in all of them."""
    laid_out, gap = text_table(group), int(console.width >= ROOMY)
    columns = len(laid_out.heads) - 1
    whole = _grid(laid_out, range(columns), gap, narrow=False)
    if columns == 0 or _width(whole, console) <= console.width:
        return [whole]
    parts: list[Table] = []
    for count in range(1, columns + 1):
        ends = [columns * part // count for part in range(count + 1)]
        parts = [_grid(laid_out, range(*between), gap, narrow=True) for between in pairwise(ends)]
        if all(_width(part, console) <= console.width for part in parts):
            break
    return parts


def _width(table: Table, console: Console) -> int:
    """Of the table where it has all the room that it asks for."""
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum


def _grid(laid_out: TextTable, columns: Sequence[int], gap: int, narrow: bool) -> Table:
    shown = Table(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    longest = max((len(title) for title, _ in laid_out.lines), default=0)
    shown.add_column(Text(laid_out.heads[0]), min_width=max(longest, len(laid_out.heads[0])), no_wrap=True)
    apart = " " if laid_out.turned else "\n"
    cells = [[_cell(*values[i], apart) for i in columns] for _, values in laid_out.lines]
    for place, index in enumerate(columns):
        head = laid_out.heads[index + 1]
        filled = max((len(line) for row in cells for line in row[place].plain.split("\n")), default=0)
        lines = wrap(head, max(filled, *map(len, head.split()), 1), break_on_hyphens=False) if narrow else [head]
        shown.add_column(Text("\n".join(lines)), justify="right", no_wrap=True, min_width=6, overflow="fold")
    for (title, _), row in zip(laid_out.lines, cells, strict=True):
        shown.add_row(Text(title), *row)
    return shown


def _cell(value: Value, column: Column, apart: str) -> Text:
    text = Text(number(value, column).replace(" (", f"{apart}("), _STYLES[value.mark])
    if value.note:
        text.append(f" ({value.note})", "not bold not underline")
    if raised := letters(value, column):
        text.append(f" {raised}", "not bold not underline")
    between = interval(value, column)
    return text.append(f"{apart}{between}", "dim not bold not underline") if between else text
