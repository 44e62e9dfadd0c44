"""Options `--format` and `--out`: what is printed, and what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import typer

from qbench.cli.streams import say
from qbench.report.emit import TERMINAL
from qbench.storage.files import write_text

T = TypeVar("T")
Files = Mapping[str, tuple[str, Callable[[T], str]]]
"""By format: the name of a file, and what makes its text."""


def known(formats: Sequence[str] | None, allowed: Sequence[str]) -> Sequence[str]:
    """The formats that were asked for. Raises BadParameter for one that is not allowed."""
    for form in formats or ():
        if form not in allowed:
            raise typer.BadParameter(f"{form!r} is not one of {', '.join(allowed)}")
    return formats or ()


def show(result: T, formats: Sequence[str], out: Path | None, terminal: Callable[[T], str], files: Files[T]) -> None:
    """Print a result in these formats (for a terminal, where none is named), and write all files into `out`. Raises
    StoreError."""
    for form in formats or (TERMINAL,):
        text = terminal(result) if form == TERMINAL else files[form][1](result)
        for line in text.rstrip("\n").split("\n"):
            say(line)
    if out is not None:
        for name, render in files.values():
            write_text(out / name, render(result))
