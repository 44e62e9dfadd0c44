"""Record files: Parquet that says what it is and can tell whether it is as it was written.

The footer holds facts, plain text by name, and a digest of all bytes of the file. A file is one to rely on, or it is
`Damaged`: no byte of it is parsed before the digest holds."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbench.errors import StoreError, described, foreign
from qbench.storage.files import Damaged, State, content_of, settled, state_of, write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "qbench."
SEAL = f"{PREFIX}seal"
MARK = b"qbench-seal:"
"""Stands in front of the digest in the footer."""
BLANK = b"0" * 32
"""In place of the digest while it is computed."""
_verified: dict[Path, State] = {}
"""Files whose digest holds, as they were when this process computed it, so that it does so once."""


@dataclass(frozen=True)
class Sealed:
    """A record file whose digest holds."""

    file: Path
    facts: Mapping[str, str]
    rows: int
    names: tuple[str, ...]
    """Of its columns."""
    _parquet: Any

    def read(self, names: Sequence[str] | None = None) -> pa.Table:
        """These columns, or all. Raises Damaged for a column that is missing or has holes."""
        for name in names or ():
            if name not in self.names:
                raise Damaged(self.file, f"it has no column {name!r}")
        try:
            with foreign("its columns cannot be read", StoreError):
                table = self._parquet.read(None if names is None else list(names), use_threads=False)
        except StoreError as error:
            raise Damaged(self.file, error.message) from None
        for name in table.column_names:
            if table[name].null_count:
                raise Damaged(self.file, f"its column {name!r} has holes")
        return table.replace_schema_metadata(None)


def write_sealed(file: Path, table: pa.Table, facts: Mapping[str, str], **options: Any) -> None:
    """Put a table in place with its facts, whole or not at all. `options` are those of pyarrow's ParquetWriter.

    Raises StoreError where the disk refuses."""
    import pyarrow.parquet as pq

    entries = {f"{PREFIX}{name}": value for name, value in facts.items()}
    assert not any(MARK.decode() in text for text in entries.values())
    buffer = io.BytesIO()
    options = {"compression": "zstd", "store_schema": False, "write_statistics": False, **options}
    with pq.ParquetWriter(buffer, table.schema, **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({**entries, SEAL: (MARK + BLANK).decode()})
    content = buffer.getvalue()
    at = content.rindex(MARK + BLANK) + len(MARK)
    write_bytes(file, content[:at] + _digest(content, at) + content[at + len(BLANK) :])


def open_sealed(file: Path) -> Sealed:
    """A record file, verified. Raises Damaged for one that is not as it was written or is none, FileNotFoundError where
    there is none, and StoreError where the disk refuses."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    state = state_of(file)
    to_keep = state is not None and settled(state)
    content = content_of(file, ends=b"PAR1")
    mark = content.rfind(MARK)
    at = mark + len(MARK)
    if mark >= 0 and (state is None or _verified.get(file) != state):
        if content[at : at + len(BLANK)] != _digest(content, at):
            raise Damaged(file, "its checksum does not hold")
        if state is not None and to_keep and state == state_of(file):
            _verified[file] = state
    try:
        with foreign("no Parquet", StoreError):
            parquet = pq.ParquetFile(pa.BufferReader(content))
            entries = parquet.metadata.metadata or {}
            texts = {name.decode(): text.decode() for name, text in entries.items() if name.startswith(PREFIX.encode())}
            facts = {name.removeprefix(PREFIX): text for name, text in texts.items() if name != SEAL}
            sealed = Sealed(file, facts, parquet.metadata.num_rows, tuple(parquet.schema_arrow.names), parquet)
    except StoreError as error:
        raise Damaged(file, described(error)) from None
    if mark < 0:
        raise Unsealed(file, facts)
    return sealed


class Unsealed(Damaged):
    """Parquet without a digest: of an older version, or not qbench's. `facts` are what it says, unproven."""

    def __init__(self, file: Path, facts: Mapping[str, str]) -> None:
        super().__init__(file, "it has no checksum")
        self.facts = facts


def _digest(content: bytes, at: int) -> bytes:
    """Of all bytes of a file, with the digest's own place blank."""
    state = hashlib.blake2b(digest_size=16)
    for part in (content[:at], BLANK, content[at + len(BLANK) :]):
        state.update(part)
    return state.hexdigest().encode()
