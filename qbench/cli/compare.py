"""`qbench compare`: runs, or models and methods, against each other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qbench.cli.formats import known, show
from qbench.cli.options import Plugin, found
from qbench.cli.streams import say
from qbench.report.emit import TERMINAL

if TYPE_CHECKING:
    from qbench.compare.lines import Line
    from qbench.report.source import Loaded

FORMATS = (TERMINAL, "md", "json", "csv")
NOTHING = 2
"""The exit code where nothing could be compared."""


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Runs or exports. The first one is the reference."),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method's name in tables: one for all sides, or one for each. Repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model's name in tables: one for all sides, or one for each. Repeatable.")
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(
            metavar="[suite|FILE]",
            help="Compare one run with a paper: the tables that its suite names (suite), or a file of figures, by path "
            "or by name (afd).",
        ),
    ] = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="Name the samples that one side alone gets right. JSON has them always.")
    ] = False,
    format: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", metavar=f"[{'|'.join(FORMATS)}]", help="Printed. May be given several times."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write compare.md, compare.json and compare.csv into this folder too.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Compare runs, or models or methods of runs, sample by sample.

    For each condition and their average: both scores, the paired difference with its interval, its p-value alone and by
    Holm's procedure among all that is shown, and the samples that flipped. What cannot be compared says why. The first
    side is the reference. Several runs are compared where the names in their tables agree; --method and --model say
    which are compared all the same.

    Exit codes: 0 done; 2 nothing could be compared, or bad input; 3 a file of a run is missing or damaged.

    Examples:

        qbench compare reports/jpeg runs/mine

        qbench compare runs/jpeg --method direct --method afd --method finetune

        qbench compare reports/jpeg runs/mine --method afd --method my-method --flips

        qbench compare runs/paper --published suite
    """
    from qbench import registry
    from qbench.compare import show as shown
    from qbench.compare.show import Compared
    from qbench.report.source import load

    registry.load_plugins((), tuple(file.absolute() for file in plugin or ()))
    formats = known(format, FORMATS)
    loaded = {str(run): load(found(run), whole=True) for run in runs}
    words = [*map(str, runs), *_options("--method", method), *_options("--model", model)]
    words += _options("--published", [published] if published else None)
    lines, note = _lines(loaded, model or (), method or (), published)
    compared = Compared(lines, shlex.join(["qbench", "compare", *words]), note)
    show(compared, formats, out, partial(shown.terminal, with_flips=flips), shown.FORMATS)
    if not compared.is_any:
        say("nothing could be compared", err=True)
        raise typer.Exit(NOTHING)


def _options(name: str, values: Sequence[str] | None) -> list[str]:
    return [word for value in values or () for word in (name, value)]


def _lines(
    loaded: dict[str, Loaded], models: Sequence[str], methods: Sequence[str], published: str | None
) -> tuple[list[Line], str]:
    """The lines of a comparison, and what is said of all of them."""
    from qbench.compare.lines import lines
    from qbench.compare.sides import sides

    if published is None:
        return lines(sides(loaded, models, methods)), ""
    from qbench.compare.published import REMARK, against_paper
    from qbench.compare.sides import Side
    from qbench.errors import QbenchError
    from qbench.report.grid import Grids
    from qbench.suite.published import shown_of

    if len(loaded) > 1 or models or methods:
        raise QbenchError("--published compares one run with a paper; leave out other runs, --method and --model")
    ((name, run),) = loaded.items()
    if published == "suite" and not run.info.published:
        raise QbenchError(f"{name}: its suite names no table of a paper; name a file of figures: --published afd")
    tables = run.info.published if published == "suite" else shown_of(published)
    return against_paper(Side(name, Grids(run)), tables), REMARK
