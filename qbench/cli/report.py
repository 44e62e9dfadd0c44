"""`qbench report`: leaderboards from stored records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qbench.cli.options import Plugin
from qbench.cli.streams import say
from qbench.report.emit import TERMINAL
from qbench.report.render import RENDERERS

FORMATS = (TERMINAL, *RENDERERS)


def _known(formats: list[str] | None) -> list[str] | None:
    for form in formats or ():
        if form not in FORMATS:
            raise typer.BadParameter(f"{form!r} is not one of {', '.join(FORMATS)}")
    return formats


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or of an export made with --export.")],
    format: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            callback=_known,
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

    Exit codes: 0 done; 1 --check found a difference, or a metric failed; 2 bad input; 3 a file of the run is missing or
    damaged.

    Examples:

        qbench report runs/jpeg

        qbench report runs/jpeg --format md --format tex --out tables

        qbench report runs/jpeg --export reports/jpeg

        qbench report reports/jpeg --check reports/jpeg/README.md
    """
    from qbench import registry
    from qbench.report.build import report as tables
    from qbench.report.source import command_of, load

    registry.load_plugins((), tuple(file.absolute() for file in plugin or ()))
    loaded = load(run, whole=export is not None, store=store)
    if export is not None:
        from qbench.report.export import export as write_export

        write_export(loaded, export)
        say(f"{export}: records of {len(loaded.records)} cells")
    leaderboards = tables(loaded)
    if leaderboards.pending:
        command = command_of(run, loaded.info)
        say(f"{leaderboards.pending} of {len(loaded.info.cells)} cells are pending; to go on: {command}", err=True)
    formats = format or []
    if check is not None:
        from qbench.report.check import difference

        diff = difference(leaderboards, check)
        for line in diff.splitlines() or [f"{check} is what {run} gives"]:
            say(line)
        raise typer.Exit(1 if diff else 0)
    if out is not None or formats or export is None:
        from qbench.report.emit import emit

        emit(leaderboards, formats, out)
    for fault in leaderboards.faults:
        say(f"failed: {fault}", err=True)
    if leaderboards.faults:
        raise typer.Exit(1)
