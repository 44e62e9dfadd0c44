"""Writing files so that a crash leaves the old file or the new one, never a part of one."""

from __future__ import annotations

import os
from pathlib import Path

from qbench.errors import StoreError


def write(path: Path, content: bytes) -> None:
    """Write `content` under a temporary name, fsync, rename. Raises StoreError (no space left, no permission)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}; free space or choose --out") from None
    finally:
        temporary.unlink(missing_ok=True)
