"""`qbench list`."""

from __future__ import annotations

from typing import Annotated

import typer

from qbench.cli.options import Plugin

PLURALS = ("methods", "models", "datasets", "conditions", "metrics", "tasks", "recipes")
NARROW = 60
"""Columns of a terminal that are filled at least: names are not cut off."""


def list_names(
    kind: Annotated[str, typer.Argument(metavar="|".join(PLURALS), help="What to list.", show_default=False)],
    pattern: Annotated[str, typer.Argument(help="Shell-style pattern of names.")] = "*",
    plugin: Plugin = None,
) -> None:
    """List what a suite can name, one line each, with what it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from qbench import registry
    from qbench.errors import QbenchError, nearest, one_line

    one: registry.Kind = kind.removesuffix("s")  # type: ignore[assignment]
    if one not in registry.KINDS:
        raise QbenchError(f"unknown kind {kind!r}{nearest(kind, PLURALS)}; there are: {', '.join(PLURALS)}")
    registry.load_plugins([], plugin or [])
    matching = registry.names(one, pattern)
    if not matching:
        known = registry.names(one)
        raise QbenchError(f"no {one} matches {pattern!r}{nearest(pattern, known)}; `qbench list {one}s` shows all")
    table = Table(box=None, pad_edge=False, show_header=one == "method")
    for column in ("name", "site", "what it is") if one == "method" else ("name", "what it is"):
        table.add_column(column, no_wrap=column != "what it is")
    for name in matching:
        entry = registry.get(one, name)
        said = (name, *([str(entry.facts["site"])] if one == "method" else []), entry.summary)
        table.add_row(*(Text(one_line(text)) for text in said))
    console = Console()
    console.width = max(console.width, NARROW)
    console.print(table)
