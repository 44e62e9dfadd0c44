"""Where qbench keeps what it makes for its user: runs, trained weights, fetched files."""

from __future__ import annotations

import os
from pathlib import Path

from qbench.errors import StoreError

VARIABLE = "QBENCH_HOME"


def home() -> Path:
    """$QBENCH_HOME, by default ~/.cache/qbench."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "qbench"


def run_directory(out: Path | None, suite: str) -> Path:
    """Where a run of `suite` is kept: never relative to the current directory unless the user says so.

    Raises StoreError for a file."""
    if out is not None and out.is_file():
        raise StoreError(f"--out {out} is a file; name a folder")
    return home() / "runs" / suite if out is None else out.resolve()
