"""`qbench list`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from qbench.cli.options import Plugin


class Plural(StrEnum):
    """The kinds of things that a suite names."""

    methods = "methods"
    models = "models"
    datasets = "datasets"
    conditions = "conditions"
    metrics = "metrics"
    tasks = "tasks"


def list_names(
    kind: Annotated[Plural, typer.Argument(help="What to list.")],
    pattern: Annotated[str, typer.Argument(help="Shell-style pattern of names.")] = "*",
    plugin: Plugin = None,
) -> None:
    """List what a suite can name, one line each, with what it is."""
    from rich.console import Console
    from rich.table import Table

    from qbench import registry

    registry.load_plugins([], plugin or [])
    one: registry.Kind = kind.value.removesuffix("s")  # type: ignore[assignment]
    table = Table(box=None, pad_edge=False, show_header=one == "method")
    for column in ("name", "site", "what it is") if one == "method" else ("name", "what it is"):
        table.add_column(column, no_wrap=column != "what it is")
    for name in registry.names(one, pattern):
        entry = registry.get(one, name)
        table.add_row(name, *([str(entry.facts["site"])] if one == "method" else []), entry.summary)
    Console().print(table)
