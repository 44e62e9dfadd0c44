"""`qbench run`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qbench.cli.options import Device, Limit, Only, Out, OwnStore, Plugin, Store, SuiteFile, tell
from qbench.cli.streams import say
from qbench.runtime import MOST_WORKERS, cores
from qbench.storage.home import run_directory, store_folder

if TYPE_CHECKING:
    from qbench.runs.plan import Options
    from qbench.runs.run_info import RunInfo


def run(
    suite: SuiteFile,
    out: Out = None,
    limit: Limit = None,
    only: Only = None,
    device: Device = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_WORKERS,
            help="Processes for each device. Records do not depend on it. Default: one a core, on an accelerator one.",
        ),
    ] = None,
    feeders: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_WORKERS,
            help="Processes that decode and degrade for each worker, which does so itself without. Records do not "
            "depend on it. Default: 0, on an accelerator one a core.",
        ),
    ] = None,
    plugin: Plugin = None,
    store: Store = None,
    own_store: OwnStore = False,
) -> None:
    """Run a suite and print its leaderboards.

    Only what the store lacks is computed, whichever suite or run put it there: a run that was stopped continues, and a
    method that was added computes its own cells. Several runs at once share the work. Tables are also written as
    Markdown, LaTeX, CSV and JSON.

    Examples:

        qbench run suites/jpeg.yaml

        qbench run suites/jpeg.yaml --limit 64 --only method=direct --only "condition=jpeg@*"

        qbench run my-suite.yaml --plugin my_method.py --out results/mine
    """
    from qbench.runs.plan import Options

    options = Options(limit, tuple(only or ()), device, tuple(p.absolute() for p in plugin or ()))
    command = command_line(suite, limit, only, plugin)
    info, folder = compute(suite, options, command, out, store, own_store, workers, feeders)
    faults = _publish(folder)
    if len(info.computed_by) > 1:
        say(
            f"records come from several processors, so that last bits may differ: {'; '.join(info.computed_by)}",
            err=True,
        )
    if _failures(info, folder, faults):
        raise typer.Exit(1)


def compute(
    suite: Path, options: Options, command: str, out: Path | None, store: Path | None, own_store: bool = False,
    workers: int | None = None, feeders: int | None = None,
) -> tuple[RunInfo, Path]:  # fmt: skip
    """Run what the store lacks of a suite, with progress; the run and its folder."""
    from qbench.cli.progress import watched
    from qbench.runs.plan import load_suite, make_plan
    from qbench.runs.run import run_plan
    from qbench.runtime import keep_freed_memory

    keep_freed_memory()
    loaded, document = load_suite(suite)
    planned = make_plan(loaded, document, options)
    tell(planned.notes)
    folder = run_directory(out, planned.suite)
    count = workers or default_workers(planned.settings.threads * len(planned.devices), planned.settings.device)
    info = run_plan(
        planned,
        folder,
        records=store_folder(store, own_store, folder),
        workers=count,
        feeders=feeders,
        command=command,
        watch=watched,
        tell=partial(say, err=True),
    )
    return info, folder


def _failures(info: RunInfo, folder: Path, faults: Sequence[str]) -> bool:
    """Whether a cell, a metric or a cost failed; the first ones are told."""
    failed = [result for result in info.cells if result.status == "failed"]
    for result in failed[:10]:
        cell = result.cell
        where = f"{cell.condition.label} / {cell.model.label} / {cell.method.label}"
        trace = folder / "errors" / f"{cell.key}.txt"
        say(f"failed: {where}: {result.reason}{f' (traceback: {trace})' if trace.is_file() else ''}", err=True)
    if failed:
        say(f"{len(failed)} of {len(info.cells)} cells failed", err=True)
    for fault in faults:
        say(f"failed: {fault}", err=True)
    done = {(result.cell.model.label, result.cell.method.label) for result in info.cells if result.status == "done"}
    without_cost = "efficiency" in info.tables and len(info.costs) < len(done)
    return bool(failed or faults or without_cost)


def _publish(folder: Path) -> Sequence[str]:
    """The leaderboards on the terminal and, beside the records, as files. Returns why metrics gave no scores."""
    from rich.console import Console

    from qbench.report.build import build
    from qbench.report.emit import write
    from qbench.report.render.picture import panels
    from qbench.report.render.terminal import show

    leaderboards = build(folder)
    text = write(leaderboards, folder / "report", ("md", "tex", "csv", "json"), page="report.md")
    show(leaderboards, Console())
    say(f"written to {folder / 'report'}: {', '.join(file.name for file in text)}")
    if panels(leaderboards):
        say(f"with a picture: qbench report {folder} --out FOLDER")
    return leaderboards.faults


def default_workers(threads: int, device: str) -> int:
    """As many processes as fit on the cores that this process may use; one on an accelerator."""
    return max(1, cores() // threads) if device == "cpu" else 1


def command_line(
    suite: Path, limit: int | None, only: Sequence[str] | None, plugins: Sequence[Path] | None = None
) -> str:
    """The command that makes the same records; where they are kept and how many workers share the work is left out."""
    words = ["qbench", "run", "/".join(suite.parts[-2:])]
    words += [word for file in plugins or () for word in ("--plugin", "/".join(file.parts[-2:]))]
    words += ["--limit", str(limit)] if limit is not None else []
    words += [word for pattern in only or () for word in ("--only", pattern)]
    return shlex.join(words)
