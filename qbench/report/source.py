"""Where a report's numbers come from: a run directory, or a compact export of one.

An export holds `run.json`, `records.parquet` (all cells; `cell` is the index in run.json's list) and
`efficiency.json`. Both give the same report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from qbench.efficiency.record import EfficiencyRecord
from qbench.engine import run_info
from qbench.engine.run_info import CellInfo, RunInfo
from qbench.engine.store import shard_file
from qbench.errors import StoreError

Records = Mapping[str, NDArray[Any]]
"""Columns of one cell, one value a sample of the manifest."""
COLUMNS = ("id", "target", "prediction", "rank", "confidence", "nll", "error", "bpp")
"""What an export keeps."""
SCORED = ("target", "rank", "error", "bpp")
"""What the tables need."""
OPTIONAL = ("bpp",)
"""Numbers that records of before do not have; NaN there."""
RECORDS, EFFICIENCY = "records.parquet", "efficiency.json"
_EFFICIENCIES = TypeAdapter(list[EfficiencyRecord])


@dataclass(frozen=True)
class Loaded:
    """A run: what it says of itself, the records of its finished cells by key, and what its methods cost."""

    info: RunInfo
    records: Mapping[str, Records]
    efficiency: tuple[EfficiencyRecord, ...]


def load(run: Path, names: Sequence[str] = SCORED) -> Loaded:
    """Read these columns of a run directory or an export. Raises StoreError that names the file which is at fault."""
    info = run_info.read(run)
    exported = run / RECORDS
    records = _exported(exported, info, names) if exported.is_file() else _stored(run, info, names)
    return Loaded(info, records, read_efficiency(run, info))


def read_efficiency(run: Path, info: RunInfo) -> tuple[EfficiencyRecord, ...]:
    """The records of an export's `efficiency.json`, or of the run's own files. Raises StoreError."""
    exported = run / EFFICIENCY
    if exported.is_file():
        found = _parse(exported, exported.read_bytes())
    else:
        found = [record for name in info.costs for record in _cost(run / "efficiency" / name)]
    return tuple(sorted(found, key=lambda record: (record.model, record.method)))


def _cost(file: Path) -> list[EfficiencyRecord]:
    try:
        return _parse(file, b"[" + file.read_bytes() + b"]")
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}; run the suite again") from None


def _parse(file: Path, text: bytes) -> list[EfficiencyRecord]:
    try:
        return _EFFICIENCIES.validate_json(text)
    except ValidationError as error:
        raise StoreError(f"{file} is damaged or of another version: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"]))
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])


def _stored(run: Path, info: RunInfo, names: Sequence[str]) -> Mapping[str, Records]:
    return {cell.key: _cell(run, info, cell, names) for cell in info.cells if cell.status == "done"}


def _cell(run: Path, info: RunInfo, cell: CellInfo, names: Sequence[str]) -> Records:
    files = [shard_file(run, cell.key, shard) for shard in info.sources[cell.source].shards]
    table = pa.concat_tables([read_parquet(file, names) for file in files])
    found = {name: _array(table[name]) for name in names}
    _check_length(files[0].parent, cell, found)
    return found


def _exported(file: Path, info: RunInfo, names: Sequence[str]) -> Mapping[str, Records]:
    table = read_parquet(file, ["cell", *names])
    cell = _array(table["cell"])
    if len(cell) and (np.any(np.diff(cell) < 0) or cell[-1] >= len(info.cells)):
        raise StoreError(f"{file} does not belong to the run.json beside it; export the run again")
    every = {name: _array(table[name]) for name in names}
    bounds = np.searchsorted(cell, np.arange(len(info.cells) + 1))
    found = {}
    for index, each in enumerate(info.cells):
        if each.status == "done":
            found[each.key] = {name: values[bounds[index] : bounds[index + 1]] for name, values in every.items()}
            _check_length(file, each, found[each.key])
    return found


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an array; not by `to_numpy`, which imports pandas, a second of a fully stored rerun's two."""
    whole = column.combine_chunks()
    if pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type):
        return np.from_dlpack(whole)
    return np.array(whole.to_pylist(), dtype=np.str_)


def _check_length(file: Path, cell: CellInfo, records: Records) -> None:
    """Raise StoreError unless there is one record for each sample asked for."""
    if len(records["target"]) != cell.samples:
        raise StoreError(
            f"{file} holds {len(records['target'])} records of {cell.condition}, {cell.model}, {cell.method}, where "
            f"run.json says {cell.samples}; run the suite again"
        )


def read_parquet(file: Path, names: Sequence[str]) -> pa.Table:
    """These columns of a Parquet file. Raises StoreError for a file or a column that is missing or damaged."""
    try:
        with pq.ParquetFile(file) as opened:
            table = opened.read(list(names), use_threads=False)
    except FileNotFoundError:
        raise StoreError(f"{file} is missing; run the suite again to make it") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{file} cannot be read ({reason}); it was cut short or damaged, write it again") from None
    for name in names:
        if name in OPTIONAL and name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(float("nan"), pa.float32()), table.num_rows))
        if name not in table.column_names or table[name].null_count:
            raise StoreError(f"{file} has no whole column {name!r}; it comes from another version, write it again")
    return table
