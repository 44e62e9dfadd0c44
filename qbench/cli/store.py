"""`qbench store status`, `check` and `clean`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from qbench.cli.options import Store
from qbench.cli.streams import say
from qbench.errors import StoreError
from qbench.storage.home import store_folder

store = typer.Typer(
    no_args_is_help=True,
    help="What lies in the store of records, whether it holds, and what nobody needs any more.\n\n"
    "Exit codes: 0 done; 2 bad input; 3 something is damaged, or cannot be read or removed.",
)


@store.command()
def status(store: Store = None) -> None:
    """Show what a store holds, and which runs use what of it."""
    from qbench.runs.upkeep import contents, known_runs, live_runners

    root = store_folder(store, False, Path())
    found, runs = contents(root), known_runs(root)
    cells, used = {key for key, _ in found.records}, {key for run in runs for key, _ in run.uses.cells if run.is_there}
    say(f"store {root}")
    say(f"  records: {_size(found.records.values())} in {len(found.records)} files of {len(cells)} cells")
    say(f"  costs: {_size(found.costs.values())} in {len(found.costs)} files")
    for run in runs:
        stored = sum(pair in found.records for pair in run.uses.files())
        where = f"{root / run.uses.folder}" if run.is_of_here else f"{run.uses.folder} on {run.uses.host}"
        gone = "" if run.is_there else ", whose folder was moved or deleted"
        say(f"  run {where}: {stored} of {len(run.uses.files())} cells of suite {run.uses.suite}{gone}")
    say(f"  no known run uses: {len(cells - used)} cells")
    say(f"  set aside as damaged: {len(found.aside)}; temporary files and claims: {len(found.unfinished)}")
    for name in live_runners(root):
        say(f"  computing: {name}")
    for file in found.foreign:
        say(f"  not of qbench: {file}")


@store.command()
def check(store: Store = None) -> None:
    """Verify every file of a store, and list what is damaged."""
    from qbench.runs.upkeep import contents, faults

    root = store_folder(store, False, Path())
    found = contents(root)
    bad = list(faults(root, found))
    for fault in bad:
        say(fault.message, err=True)
    files = len(found.records) + len(found.reasons) + len(found.costs)
    say(f"{files} files, {len(bad)} of them damaged or of another version" if bad else f"{files} files, all as written")
    if bad:
        raise typer.Exit(StoreError.exit_code)


@store.command()
def clean(
    store: Store = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this, it is only told.")] = False,
) -> None:
    """Remove what no known run uses: what runs use whose folders are still there stays, and so does what is
    being computed, and what runs of other machines use.

    The folder of a run that was moved is no longer known: its command with the new --out makes it known again."""
    from qbench.runs.claims import beating
    from qbench.runs.upkeep import check_runs, contents, known_runs, waste

    root = store_folder(store, False, Path())
    contents(root)
    check_runs(root)
    stay = 0
    with beating(root) as runner:
        parts = [part for part in waste(runner, contents(root), known_runs(root)) if part.files]
        for part in parts:
            say(f"{part.why}: {len(part.files)} files, {_size(part.files)}")
            for file in part.files if yes else ():
                stay += not _removed(file)
    size = _size(file for part in parts for file in part.files) if not yes else ""
    say("nothing to free" if not parts else "freed" if yes else f"{size} in all; --yes frees it")
    if stay:
        raise typer.Exit(StoreError.exit_code)


def _removed(file: Path) -> bool:
    try:
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)
    except OSError as error:
        say(f"{file} stays: {error.strerror}", err=True)
        return False
    return True


def _size(files: Iterable[Path]) -> str:
    size = 1.0 * sum(file.lstat().st_size for file in files if file.is_symlink() or file.exists())
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
