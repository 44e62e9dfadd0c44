"""Writing a file whole or not at all, and digests of files and of plain data."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from qbench.errors import StoreError


def digest(value: Any) -> str:
    """BLAKE2b of a JSON-able value, 32 hex digits; mappings in any order give the same digest."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def sha256(file: Path) -> str:
    """The sha256 of a file in hex, read once for each state of the file. Raises OSError."""
    facts = file.stat()
    return _sha256(file, facts.st_size, facts.st_mtime_ns)


@cache
def _sha256(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def atomic(file: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `file`, then put it in place at once; after a crash it is there whole or
    not at all.

    Raises StoreError where the disk refuses (no space left, no permission); nothing half-written stays."""
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    except OSError as error:
        _remove(temporary)
        raise StoreError(
            f"{file} cannot be written: {error.strerror or error}; free space or choose another --out"
        ) from None
    except BaseException:
        _remove(temporary)
        raise


def _remove(file: Path) -> None:
    """Where a folder is missing or is a file, there is nothing to remove."""
    with suppress(OSError):
        file.unlink()


def check_writable(folder: Path) -> None:
    """Raise StoreError now rather than when work is done: the folder is made and written into, and no trace stays."""
    probe = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise StoreError(f"{folder} cannot be written into: {error.strerror or error}; choose another --out") from None
    finally:
        _remove(probe)


def write_bytes(file: Path, content: bytes) -> None:
    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    atomic(file, write)


def write_text(file: Path, text: str) -> None:
    write_bytes(file, text.encode("utf-8"))
