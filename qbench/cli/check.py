"""`qbench check`: a run against a baseline."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qbench.cli.formats import known, show
from qbench.cli.options import Plugin, Store, found
from qbench.cli.streams import say
from qbench.errors import QbenchError
from qbench.report.emit import TERMINAL

if TYPE_CHECKING:
    from qbench.gate.rules import Rules

FORMATS = (TERMINAL, "json", "junit", "md")


def check(
    run: Annotated[
        Path, typer.Argument(help="A run's folder, or a suite file: what the store lacks of it is computed first.")
    ],
    against: Annotated[
        Path, typer.Option(help="The baseline: an export, a run, or one that ships, such as reports/jpeg.")
    ],
    rules: Annotated[
        Path | None, typer.Option(help="Rules of the gate. Default: gate.yaml beside the baseline, if there is one.")
    ] = None,
    format: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", metavar=f"[{'|'.join(FORMATS)}]", help="Printed. May be given several times."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write check.json, check.xml (JUnit) and check.md into this folder too.")
    ] = None,
    inconclusive: Annotated[
        str | None,
        typer.Option(metavar="[fail|warn]", help="What is an average or gain that the samples cannot settle?"),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Write the worst lost samples of each cell, degraded as the model saw them, into this folder."
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="FIGURE", help="Note in the rules that this regression is accepted. Needs --reason."),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Put the run, which is finished, in the place of the baseline. Needs --reason."),
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is accepted, or why the baseline is replaced.")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day on which it is accepted.")
    ] = None,
    plugin: Plugin = None,
    store: Store = None,
) -> None:
    """Did accuracy regress? Compares a run with a baseline, paired by sample.

    First the two must be comparable: same suite, names, samples and seeds. Identical predictions pass. Else each
    average and gain over direct is, in this order, improved, regressed, equivalent or inconclusive, with intervals that
    hold for all of them together: regressed and inconclusive ones fail. A single condition fails only where Holm's
    procedure over all of them says so. Rules (docs/gate.md) set margins, floors, bounds and published numbers.

    Exit codes: 0 pass, or the baseline is replaced; 1 regression; 2 not comparable, or bad input; 3 a file of a run is
    missing or damaged.

    Examples:

        qbench check suites/jpeg.yaml --against reports/jpeg

        qbench check runs/jpeg --against reports/jpeg --out checked --pictures lost

        qbench check runs/jpeg --against reports/jpeg --accept "FIGURE" --reason "a smaller model" --until 2027-06-30

        qbench check runs/jpeg --against baselines/jpeg --update --reason "weights trained again"
    """
    from qbench import registry
    from qbench.cli import baseline as written
    from qbench.gate import show as shown
    from qbench.gate.check import check as checked_runs
    from qbench.gate.check import judged_again
    from qbench.gate.rules import FILE
    from qbench.report.source import load

    registry.load_plugins((), tuple(file.absolute() for file in plugin or ()))
    wanted, last = known(format, FORMATS), None if until is None else until.date()
    written.check_words(accept, update, reason, last)
    baseline = found(against)
    if not baseline.exists():
        raise QbenchError(
            f"--against {against}: there is no such baseline, here or among what ships{written.left(baseline)}"
        )
    file = rules if rules is not None else baseline / FILE
    given = _rules(file if rules is not None or file.is_file() else None, inconclusive)
    before = load(baseline, whole=True)
    now = load(run if run.is_dir() else _run(run, plugin, store), whole=True)
    result = checked_runs(before, now, given, written.today())
    if accept:
        written.accept_figures(file, accept, reason or "", last, result)
        result = judged_again(result, _rules(file, inconclusive), written.today())
    show(result, wanted, out, shown.terminal, shown.FORMATS)
    if pictures is not None:
        from qbench.cli.flipped import write_lost

        say(f"{pictures}: {write_lost(result, now, pictures)} pictures of lost samples", err=True)
    if update:
        written.update_baseline(baseline, now, result, reason or "")
    elif result.exit_code:
        raise typer.Exit(result.exit_code)


def _rules(file: Path | None, inconclusive: str | None) -> Rules:
    """Those in a file, or the default ones; the command line has the last word on inconclusive figures."""
    from qbench.gate.rules import read_rules

    given = read_rules(file)
    if inconclusive is None:
        return given
    if inconclusive not in ("fail", "warn"):
        raise typer.BadParameter(f"--inconclusive takes fail or warn, not {inconclusive!r}")
    return given.model_copy(update={"inconclusive": inconclusive})


def _run(suite: Path, plugin: list[Path] | None, store: Path | None) -> Path:
    from qbench.cli.run import command_line, compute
    from qbench.runs.plan import Options

    options = Options(plugin_files=tuple(file.absolute() for file in plugin or ()))
    _, folder = compute(suite, options, command_line(suite, None, None, plugin), None, store)
    return folder
