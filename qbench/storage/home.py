"""Where qbench keeps what it makes for its user: records, runs, trained weights, fetched files."""

from __future__ import annotations

import os
from pathlib import Path

from qbench.errors import QbenchError, StoreError, foreign

VARIABLE = "QBENCH_HOME"


def home() -> Path:
    """$QBENCH_HOME, by default ~/.cache/qbench. Raises StoreError where there is neither."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    try:
        return Path.home() / ".cache" / "qbench"
    except RuntimeError:
        raise StoreError(f"there is no home directory; say in ${VARIABLE} where runs and weights are kept") from None


def store_folder(given: Path | None, own: bool, run: Path) -> Path:
    """Where a run's records are kept: in the store of all runs, in the one that was given, or with `own` in the run
    directory.

    Raises StoreError for anything but a folder or a new name below one, QbenchError for both."""
    if own and given is not None:
        raise QbenchError(f"--own-store keeps the records in {run}, --store in {given}; give one of them")
    if own:
        return run
    return _folder(home() / "store" if given is None else given, f"${VARIABLE}" if given is None else "--store")


def run_directory(out: Path | None, suite: str) -> Path:
    """Where a run of `suite` is kept: never relative to the current directory unless the user says so.

    Raises StoreError for anything but a folder or a new name below one."""
    return _folder(home() / "runs" / suite if out is None else out, f"${VARIABLE}" if out is None else "--out")


def _folder(folder: Path, option: str) -> Path:
    with foreign(f"{option} {folder} cannot be a folder", StoreError):
        path = folder.absolute()
        there = next(place for place in (path, *path.parents) if os.path.lexists(place))
        if not there.is_dir():
            known = f"{option} {folder}" if there == path else f"{there}, above {option} {folder},"
            raise StoreError(f"{known} is {'a file' if there.is_file() else 'no folder'}; name a folder")
        return path.resolve()
