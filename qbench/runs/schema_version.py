"""Versions of what runs leave on disk. docs/results.md says when a number is raised."""

from __future__ import annotations

from pathlib import Path

from qbench.errors import StoreError
from qbench.storage.files import Damaged

RECORDS = 3
"""A stored cell or a shard of it: its columns and their meaning, and the facts in its footer."""
EXPORT = 2
"""The records of a task's cells in one file, beside a `run.json`: the same of them."""
RUN = 3
"""`run.json`."""
COST = 1
"""What a method costs: files under `efficiency/`, and each record of an export's `efficiency.json`."""
STORE = 2
"""Where files lie in a store. In `store.json`."""
USES = 1
"""What a run uses: `runs/*.json` of a store."""
REASON = 1
"""Why a cell is n/a: `not_applicable.json`."""

KEY = "schema_version"


def check(file: Path, found: object, expected: int) -> None:
    """Raise StoreError unless a file has the version that this qbench reads, and say what to do; Damaged where it says
    none."""
    if found is None:
        raise Damaged(file, f"it has no schema version; this qbench reads version {expected}")
    if str(found) == str(expected):
        return
    newer = str(found).isdecimal() and len(str(found)) < 10 and int(str(found)) > expected
    advice = "use a newer qbench" if newer else "run the suite again with another --out and --store"
    raise StoreError(f"{file} has schema version {found!s:.20}, this qbench reads version {expected}; {advice}")
