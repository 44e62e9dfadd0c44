"""Where qbench keeps what it makes for its user: runs, trained weights, fetched files."""

from __future__ import annotations

import os
from pathlib import Path

from qbench.errors import StoreError, foreign

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


def run_directory(out: Path | None, suite: str) -> Path:
    """Where a run of `suite` is kept: never relative to the current directory unless the user says so.

    Raises StoreError for anything but a folder or a new name."""
    if out is None:
        return home() / "runs" / suite
    if os.path.lexists(out) and not out.is_dir():
        raise StoreError(f"--out {out} is {'a file' if out.is_file() else 'no folder'}; name a folder")
    with foreign(f"--out {out} cannot be a folder", StoreError):
        return out.resolve()
