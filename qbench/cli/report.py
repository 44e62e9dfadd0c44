"""`qbench report`: leaderboards from stored records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qbench.cli.formats import known
from qbench.cli.options import Plugin, found
from qbench.cli.streams import say
from qbench.report.emit import TERMINAL
from qbench.report.render import RENDERERS

if TYPE_CHECKING:
    from qbench.report.leaderboard import Report
    from qbench.report.source import Loaded

FORMATS = (TERMINAL, *RENDERERS)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders of runs, or of exports made with --export."),
    ],
    format: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar=f"[{'|'.join(FORMATS)}]",
            help="May be given several times. Default: terminal, or all files with --out.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write files into this folder instead of printing.")] = None,
    check: Annotated[Path | None, typer.Option(help="Compare the Markdown page with this file; print a diff.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write compact records of all cells into this folder.")] = None,
    plugin: Plugin = None,
    store: Annotated[
        Path | None, typer.Option(help="Where the records lie. Default: where the run's run.json says.")
    ] = None,
) -> None:
    """Tables of accuracy and efficiency from a run's records; nothing is computed again.

    Several runs make one leaderboard: what was measured on the same samples in the same way stands in one table. What
    differs under one name is told apart by the name of its run, and the page says why.

    Exit codes: 0 done; 1 --check found a difference, or a metric failed; 2 bad input; 3 a file of the run is missing or
    damaged.

    Examples:

        qbench report runs/jpeg

        qbench report runs/jpeg --format md --format tex --out tables

        qbench report runs/jpeg --export reports/jpeg

        qbench report reports/jpeg --check reports/jpeg/README.md

        qbench report reports/jpeg runs/mine --out tables
    """
    from qbench import registry
    from qbench.errors import QbenchError
    from qbench.report.source import load

    formats = known(format, FORMATS)
    registry.load_plugins((), tuple(file.absolute() for file in plugin or ()))
    if export is not None and len(runs) > 1:
        raise QbenchError("--export writes the records of one run; name one")
    loaded = {str(run): load(found(run), whole=export is not None, store=store) for run in runs}
    if export is not None:
        from qbench.report.export import export as write_export

        (whole,) = loaded.values()
        write_export(whole, export)
        say(f"{export}: records of {len(whole.records)} cells")
    leaderboards = _tables(loaded)
    if check is not None:
        from qbench.report.check import difference

        diff = difference(leaderboards, check)
        for line in diff.splitlines() or [f"{check} is what {' '.join(loaded)} gives"]:
            say(line)
        raise typer.Exit(1 if diff else 0)
    if out is not None or formats or export is None:
        from qbench.report.emit import emit

        emit(leaderboards, formats, out)
    for fault in leaderboards.faults:
        say(f"failed: {fault}", err=True)
    if leaderboards.faults:
        raise typer.Exit(1)


def _tables(loaded: Mapping[str, Loaded]) -> Report:
    """The report of one run, or of several as one; what is pending is told."""
    from qbench.report.build import report as tables
    from qbench.report.several import several
    from qbench.report.source import command_of

    for name, run in loaded.items():
        pending = sum(result.status == "pending" for result in run.info.cells)
        if pending:
            command = command_of(Path(name), run.info)
            say(f"{pending} of {len(run.info.cells)} cells are pending; to go on: {command}", err=True)
    return several(loaded) if len(loaded) > 1 else tables(next(iter(loaded.values())))
