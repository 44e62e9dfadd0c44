"""A report on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qbench.report.model import Column, Group, Report, Value
from qbench.report.model import Table as Leaderboard
from qbench.report.text import grid, interval, number

_STYLES = {"": "", "best": "bold", "second": "underline"}

NARROW, ROOMY = 100, 112
"""Columns of a terminal that tables need at least (below, its lines wrap, and no number is cut off), and those above
which a table's columns stand two apart. Files and pipes are roomy."""


def show(report: Report, console: Console) -> None:
    """Print all tables; intervals stand below their numbers, so that a table fits 100 columns."""
    console.width = max(console.width, NARROW if console.is_terminal else ROOMY)
    console.print(Text(f"{report.title or report.suite} (suite {report.suite}, version {report.version})", "bold"))
    for table in report.tables:
        console.print()
        _show_table(table, console)
    console.print()
    for name, text in report.provenance:
        console.print(Text(f"{name}: {text}", "dim"))


def _show_table(table: Leaderboard, console: Console) -> None:
    console.print(Text(table.title, "bold cyan"))
    if table.empty:
        console.print(Text(table.empty))
        return
    for group in table.groups:
        console.print(Text(group.heading, "italic"))
        console.print(_grid(group, gap=int(console.width >= ROOMY)))
    for index, text in enumerate(table.notes, start=1):
        console.print(Text(f"({index}) {text}"))
    console.print(Text(" ".join(table.remarks), "dim"))


def _grid(group: Group, gap: int) -> Table:
    found = grid(group)
    shown = Table(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    for index, heading in enumerate(found.heads):
        shown.add_column(
            Text(heading), justify="right" if index else "left", no_wrap=index > 0, min_width=6, overflow="fold"
        )
    for title, values in found.lines:
        shown.add_row(Text(title), *(_cell(value, column, " " if found.turned else "\n") for value, column in values))
    return shown


def _cell(value: Value, column: Column, apart: str) -> Text:
    text = Text(number(value, column).replace(" (", f"{apart}("), _STYLES[value.mark])
    if value.note:
        text.append(f" ({value.note})", "not bold not underline")
    between = interval(value, column).strip("[]").replace(", ", "…")
    return text.append(f"{apart}{between}", "dim not bold not underline") if between else text
