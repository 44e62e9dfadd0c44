"""Options that several verbs share, and notes that they print."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from qbench.cli.streams import say
from qbench.errors import QbenchError
from qbench.storage.shipped import shipped

LARGEST = 16384
"""Pixels of a side that pictures are cut or scaled to at most."""
SuiteFile: TypeAlias = Annotated[
    Path, typer.Argument(help="A suite file, such as suites/jpeg.yaml.", show_default=False)
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Run directory: run.json, tables and errors. Default: $QBENCH_HOME/runs/SUITE (~/.cache/qbench)."
    ),
]
Store: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where records of all suites are kept. Default: $QBENCH_HOME/store.")
]
OwnStore: TypeAlias = Annotated[
    bool, typer.Option("--own-store", help="Keep the records in the run directory, to hand it on as a whole.")
]
Limit: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Only the first N samples of every dataset.")]
Only: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Only cells that match KEY=PATTERN; keys: task, dataset, condition, model, method. Repeatable."),
]
Device: TypeAlias = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps; several of a kind share a run: cuda:0,cuda:1.")
]
Plugin: TypeAlias = Annotated[
    list[Path] | None, typer.Option(help="A Python file with your own methods, models, ... Repeatable.")
]


def found(run: Path) -> Path:
    """The folder of a run; that of one that ships where no other has this name."""
    try:
        return run if run.exists() else shipped(str(run))
    except QbenchError:
        return run


def tell(notes: Iterable[str]) -> None:
    """Print what a user should know of the data, a line each."""
    for note in notes:
        say(f"note: {note}", err=True)
