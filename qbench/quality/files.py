"""Digests of the files that measures of quality are made from."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from qbench.errors import WeightsError


def sha256(file: Path) -> str:
    """The sha256 of a file, in hex, computed once for each state of the file. Raises WeightsError where it is none."""
    try:
        facts = file.stat()
        return _digest(file, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"weights {file} cannot be read: {error.strerror}") from None


@cache
def _digest(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
