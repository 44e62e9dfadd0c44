"""`qbench check`: a run against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qbench.cli.options import Plugin, Store
from qbench.cli.streams import say
from qbench.errors import QbenchError
from qbench.storage.files import write_text
from qbench.storage.shipped import shipped

if TYPE_CHECKING:
    from qbench.gate.check import Checked

FORMATS = ("terminal", "json", "junit", "md")


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
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="FIGURE", help="Note in the rules that this regression is accepted. Needs --reason."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is accepted.")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day on which it is accepted.")
    ] = None,
    plugin: Plugin = None,
    store: Store = None,
) -> None:
    """Did accuracy regress? Compares a run with a baseline, paired by sample.

    First the two must be comparable: same suite, names, samples and seeds. Identical predictions pass. Else each
    average and gain over direct is improved, regressed, equivalent or inconclusive, with intervals that hold for all of
    them together; a single condition fails only where Holm's procedure over all of them says so.

    Exit codes: 0 pass; 1 regression; 2 not comparable, or bad input; 3 a file of a run is missing or damaged.

    Examples:

        qbench check suites/jpeg.yaml --against reports/jpeg

        qbench check runs/jpeg --against reports/jpeg --out checked --inconclusive warn

        qbench check runs/jpeg --against reports/jpeg --accept "FIGURE" --reason "a smaller model" --until 2027-06-30
    """
    from qbench import registry
    from qbench.gate.check import check as checked_runs
    from qbench.gate.rules import FILE, read_rules
    from qbench.report.source import load

    registry.load_plugins((), tuple(file.absolute() for file in plugin or ()))
    wanted = _formats(format)
    baseline = against if against.exists() else shipped(str(against))
    file = rules if rules is not None else baseline / FILE
    if accept:
        _accept(file, accept, reason, None if until is None else until.date())
    elif reason is not None or until is not None:
        raise QbenchError("--reason and --until say why a regression is accepted; name it with --accept")
    given = read_rules(file if rules is not None or file.is_file() else None)
    if inconclusive is not None:
        if inconclusive not in ("fail", "warn"):
            raise typer.BadParameter(f"--inconclusive takes fail or warn, not {inconclusive!r}")
        given = given.model_copy(update={"inconclusive": inconclusive})
    folder = run if run.is_dir() else _run(run, plugin, store)
    result = checked_runs(load(baseline, whole=True), load(folder, whole=True), given, _today())
    _show(result, wanted, out)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _run(suite: Path, plugin: list[Path] | None, store: Path | None) -> Path:
    from qbench.cli.run import command_line, compute
    from qbench.runs.plan import Options

    options = Options(plugin_files=tuple(file.absolute() for file in plugin or ()))
    _, folder = compute(suite, options, command_line(suite, None, None, plugin), None, store)
    return folder


def _formats(formats: Sequence[str] | None) -> Sequence[str]:
    for form in formats or ():
        if form not in FORMATS:
            raise typer.BadParameter(f"{form!r} is not one of {', '.join(FORMATS)}")
    return formats or ("terminal",)


def _show(result: Checked, formats: Sequence[str], out: Path | None) -> None:
    from qbench.gate import show

    for form in formats:
        text = show.terminal(result) if form == "terminal" else show.FORMATS[form][1](result)
        for line in text.rstrip("\n").split("\n"):
            say(line)
    if out is not None:
        for name, render in show.FORMATS.values():
            write_text(out / name, render(result))


def _accept(file: Path, figures: Sequence[str], reason: str | None, until: date | None) -> None:
    from qbench.gate.rules import Accepted, accepting, read_rules

    if not reason or not reason.strip():
        raise QbenchError("--accept needs --reason: why may this figure drop?")
    read_rules(file if file.is_file() else None)
    for figure in figures:
        one = Accepted(figure=figure, reason=reason, accepted=_today(), until=until)
        write_text(file, accepting(file, one))
        say(f"accepted in {file}: {figure}")
    read_rules(file)


def _today() -> date:
    return datetime.now(UTC).date()
