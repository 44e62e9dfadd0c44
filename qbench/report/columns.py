"""Columns of record files as arrays. Columns that are equal in several cells, such as targets, are one array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qbench.errors import StoreError, foreign
from qbench.storage.files import Damaged
from qbench.tasks.domains import misfit

Records = Mapping[str, NDArray[Any]]
"""Columns of one cell, one value a sample of the manifest: [samples], [samples, K] of lists that are equally long, and
arrays of arrays of those that are not. Nothing writes into them."""


@dataclass(frozen=True)
class Columns:
    """Makes arrays of columns, and remembers them by a digest of what they hold."""

    _known: dict[bytes, NDArray[Any]] = field(default_factory=dict)

    def of(self, file: Path, table: pa.Table) -> Records:
        """The columns of a table. Raises Damaged for what cannot be an array, or holds what its column cannot hold."""
        try:
            with foreign("its columns are of kinds that records do not have", StoreError):
                records = {name: self._array(table[name]) for name in table.column_names}
        except StoreError as error:
            raise Damaged(file, error.message) from None
        if fault := misfit(records):
            raise Damaged(file, fault)
        return records

    def _array(self, column: pa.ChunkedArray) -> NDArray[Any]:
        whole = column.combine_chunks()
        parts = _parts(whole)
        state = hashlib.blake2b(str(whole.type).encode(), digest_size=16)
        for part in parts:
            state.update(f"{part.dtype} {part.shape} ".encode())
            state.update(np.ascontiguousarray(part).view(np.uint8).data)
        key = state.digest()
        if key not in self._known:
            self._known[key] = _joined(whole.type, parts)
        return self._known[key]


def _parts(whole: pa.Array) -> list[NDArray[Any]]:
    """Arrays of numbers or of short text that say all of a column; not by `to_numpy`, which imports pandas, a second of
    a fully stored rerun's two."""
    if pa.types.is_boolean(whole.type):
        whole = whole.cast(pa.uint8())
    if pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type):
        return [np.from_dlpack(whole)]
    if pa.types.is_list(whole.type):
        return [np.from_dlpack(whole.value_lengths()), *_parts(whole.flatten())]
    coded = whole.dictionary_encode()
    return [np.from_dlpack(coded.indices), np.array(coded.dictionary.to_pylist(), dtype=np.str_)]


def _joined(kind: pa.DataType, parts: list[NDArray[Any]]) -> NDArray[Any]:
    if pa.types.is_list(kind):
        return _lists(_joined(kind.value_type, parts[1:]), parts[0])
    return parts[0] if len(parts) == 1 else parts[1][parts[0]]


def _lists(values: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
    if len(lengths) and (lengths == lengths[0]).all() and lengths[0]:
        return values.reshape(len(lengths), -1)
    rows = np.empty(len(lengths), dtype=object)
    ends = np.cumsum(lengths)
    rows[:] = [values[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return rows


def same_values(one: object, other: object) -> bool:
    """Whether two columns hold the same; NaN is like NaN."""
    first, second = np.asarray(one), np.asarray(other)
    if first.shape != second.shape:
        return False
    if first.dtype == object:
        return all(same_values(a, b) for a, b in zip(first, second, strict=True))
    return np.array_equal(first, second, equal_nan=first.dtype.kind == "f" and second.dtype.kind == "f")


def same_records(one: Records, other: Records, columns: Iterable[str] | None = None) -> bool:
    """Whether two cells recorded the same of every sample, in these columns or in all."""
    names = one.keys() | other.keys() if columns is None else columns
    return all(name in one and name in other and same_values(one[name], other[name]) for name in names)
