"""Files whole or not at all: reading what is one, writing, setting aside, and digests of files and of plain data."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from qbench.errors import StoreError

MOST = 1 << 30
"""Bytes of the largest file that is read: what qbench writes is far smaller."""
SETTLED = 2_000_000_000
"""Nanoseconds. A file that changed less than this before it was read may change again without a new time stamp, where a
file system counts seconds; what was read says nothing of what is read later."""
State: TypeAlias = tuple[int, int, int, int]
"""What changes with a file: its size, the times of its last change of content and of anything, and its inode."""
KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))


class Damaged(StoreError):
    """`path` is not what qbench wrote there. A run sets it aside and makes it anew."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} is damaged: {reason}")
        self.file, self.reason = file, reason


def content_of(file: Path, ends: bytes = b"") -> bytes:
    """All of a regular file that ends in some bytes. Nothing else is ever opened, so that no pipe is waited for.

    Raises FileNotFoundError where there is nothing, Damaged for anything else, StoreError where the disk refuses."""
    try:
        kind = file.stat()
        if not stat.S_ISREG(kind.st_mode):
            raise Damaged(file, f"it is {next((name for is_so, name in KINDS if is_so(kind.st_mode)), 'a device')}")
        if kind.st_size > MOST:
            raise Damaged(file, f"it has {kind.st_size:,} bytes; at most {MOST:,} are read")
        with file.open("rb") as stream:
            stream.seek(max(kind.st_size - len(ends), 0))
            if stream.read() != ends and ends:
                raise Damaged(file, "it was cut short, or it is another kind of file")
            stream.seek(0)
            return stream.read()
    except FileNotFoundError:
        _check_links(file)
        raise
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise Damaged(_in_the_way(file), "it stands where a folder is to be") from None
        if error.errno in {errno.ELOOP, errno.EACCES, errno.EPERM}:
            raise Damaged(file, f"it cannot be opened ({error.strerror})") from None
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from None


def state_of(file: Path) -> State | None:
    """None where there is no file, or it cannot be looked at."""
    try:
        facts = file.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def settled(state: State) -> bool:
    """Whether a file in this state, if it is read from now on, cannot change without another state."""
    return time.time_ns() - max(state[1:3]) >= SETTLED


def _check_links(file: Path) -> None:
    """Raise Damaged where a file or its folder is a link to nothing."""
    for path in (file, *file.parents):
        if path.exists():
            return
        if path.is_symlink():
            raise Damaged(path, "it is a link to nothing")


def _in_the_way(file: Path) -> Path:
    return next((path for path in file.parents if os.path.lexists(path) and not path.is_dir()), file)


def set_aside(path: Path) -> Path:
    """Rename what is damaged, and return its new name, which nothing had before. Raises StoreError."""
    names = (path.with_name(f"{path.name}.damaged{suffix}") for suffix in ("", *(f".{n}" for n in range(2, 1000))))
    aside = next(name for name in names if not os.path.lexists(name))
    try:
        path.rename(aside)
    except OSError as error:
        raise StoreError(f"{path} is damaged and cannot be set aside: {error.strerror}; move it away") from None
    return aside


def canonical(value: Any) -> str:
    """A JSON-able value as text; mappings in any order give the same."""
    return json.dumps(value, sort_keys=True, default=str)


def digest(value: Any) -> str:
    """BLAKE2b of a JSON-able value, 32 hex digits; mappings in any order give the same digest."""
    return digest_of_text(canonical(value))


def digest_of_text(text: str) -> str:
    """BLAKE2b of a text, 32 hex digits."""
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
    not at all. Where another process cleared the temporary file away, as who takes over does, it is written again.

    Raises StoreError where the disk refuses (no space left, no permission); nothing half-written stays."""
    try:
        with suppress(FileNotFoundError):
            _written(file, write)
            return
        _written(file, write)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}; {_advice(error)}") from None


def _written(file: Path, write: Callable[[Path], None]) -> None:
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    except BaseException:
        _remove(temporary)
        raise


def _advice(error: OSError) -> str:
    if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}:
        return "move away what stands in its place, or choose another --out"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "choose a folder that you may write into"
    return "free space or choose another --out"


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
