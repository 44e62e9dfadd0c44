"""Versions of what runs leave on disk. docs/results.md says when a number is raised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qbench.errors import StoreError

RECORDS = 1
"""A stored shard of a cell: its columns and their meaning. In the Parquet file's metadata."""
EXPORT = 1
"""The records of all cells in one file, beside a `run.json`. In the Parquet file's metadata."""
RUN = 1
"""`run.json`."""
COST = 1
"""What a method costs: files under `efficiency/`, and each record of an export's `efficiency.json`."""
STORE = 1
"""Where records lie below a run directory. In `records/store.json`."""

KEY = "schema_version"


def check(file: Path, found: object, expected: int) -> None:
    """Raise StoreError unless a file has the version that this qbench reads, and say what to do."""
    if str(found) == str(expected):
        return
    newer = str(found).isdigit() and int(str(found)) > expected
    version = "has no schema version" if found is None else f"has schema version {found}"
    advice = "use a newer qbench" if newer else "run the suite again into another directory"
    raise StoreError(f"{file} {version}, this qbench reads version {expected}; {advice}")


def metadata(version: int, **others: str) -> dict[bytes, bytes]:
    """The metadata of a Parquet file of that version."""
    return {f"qbench.{key}".encode(): str(value).encode() for key, value in {KEY: version, **others}.items()}


def in_metadata(found: Mapping[bytes, bytes] | None, key: str = KEY) -> str | None:
    """What a Parquet file's metadata say under a key of `metadata`."""
    value = (found or {}).get(f"qbench.{key}".encode())
    return None if value is None else value.decode()
