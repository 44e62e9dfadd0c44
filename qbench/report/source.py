"""Where a report's numbers come from: a run directory, or a compact export of one.

An export holds `run.json`, `records.parquet` (all cells; `cell` is the index in run.json's list) and
`efficiency.json`. Both give the same report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qbench import registry
from qbench.compute.cell import MetricItem
from qbench.errors import StoreError
from qbench.runs import run_info, schema_version
from qbench.runs.cost_record import EfficiencyRecord, read_costs
from qbench.runs.run_info import CellResult, RunInfo
from qbench.runs.store import check as check_store
from qbench.runs.store import shard_file
from qbench.tasks.restoration.metrics import column

Records = Mapping[str, NDArray[Any]]
"""Columns of one cell, one value a sample of the manifest: [samples], [samples, K] of lists that are equally long, and
arrays of arrays of those that are not."""
NOT_EXPORTED = ("top5",)
"""Columns that an export leaves out."""
NOT_IN_TABLES = (*NOT_EXPORTED, "facts")
"""Columns that no table needs."""
RECORDS, EFFICIENCY = "records.parquet", "efficiency.json"


@dataclass(frozen=True)
class Loaded:
    """A run: what it says of itself, the records of its finished cells by key, and what its methods cost."""

    info: RunInfo
    records: Mapping[str, Records]
    efficiency: tuple[EfficiencyRecord, ...]
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By task, the columns that an export declares as not recorded."""


def load(run: Path, whole: bool = False) -> Loaded:
    """What the tables need of a run directory or an export, or with `whole` all that an export keeps.

    Raises StoreError that names the file that is at fault."""
    info = run_info.read(run)
    records: dict[str, Records] = {}
    absent: dict[str, tuple[str, ...]] = {}
    for task in dict.fromkeys(result.cell.task for result in info.cells):
        if (run / exported_records(task)).is_file():
            exported, absent[task] = _exported(run, info, task, whole)
            records |= exported
        else:
            check_store(run)
            records |= _stored(run, info, task, whole)
    return Loaded(info, records, read_efficiency(run, info), absent)


def exported_records(task: str) -> str:
    """The file of a task's records in an export."""
    return RECORDS if task == "classification" else f"records-{task}.parquet"


def _columns(result: CellResult, whole: bool) -> list[str] | None:
    """The columns to read of a cell, None for all of them."""
    columns = [_columns_of(metric) for metric in result.cell.metrics]
    if whole or None in columns:
        return None
    return list(dict.fromkeys([*(name for names in columns for name in names or ()), "error", "bpp"]))


def _columns_of(info: MetricItem) -> Sequence[str] | None:
    """The columns that a metric reads; None where it does not say."""
    target = registry.get("metric", info.name).target
    columns: Sequence[str] | None = (column(info),) if hasattr(target, "measure") else getattr(target, "columns", None)
    return columns


def read_efficiency(run: Path, info: RunInfo) -> tuple[EfficiencyRecord, ...]:
    """The records of an export's `efficiency.json`, or of the run's own files. Raises StoreError."""
    exported = run / EFFICIENCY
    files = [exported] if exported.is_file() else [run / "efficiency" / name for name in info.costs]
    records = [record for file in files for record in read_costs(file)]
    return tuple(sorted(records, key=lambda record: (record.model.label, record.method.label)))


def _stored(run: Path, info: RunInfo, task: str, whole: bool) -> Mapping[str, Records]:
    return {
        result.cell.place: _cell(run, info, result, whole)
        for result in info.cells
        if result.status == "done" and result.cell.task == task
    }


def _cell(run: Path, info: RunInfo, result: CellResult, whole: bool) -> Records:
    files = [shard_file(run, result.cell.key, shard.name) for shard in info.sources[result.cell.source].shards]
    table = pa.concat_tables(
        [read_parquet(file, _columns(result, whole), schema_version.RECORDS, _left_out(whole)) for file in files]
    )
    records = {name: _array(table[name]) for name in table.column_names}
    _check_length(files[0].parent, result, records)
    return records


def _left_out(whole: bool) -> Sequence[str]:
    return NOT_EXPORTED if whole else NOT_IN_TABLES


def _exported(run: Path, info: RunInfo, task: str, whole: bool) -> tuple[Mapping[str, Records], tuple[str, ...]]:
    """The records of a task by cell, and the columns that are declared absent."""
    file = run / exported_records(task)
    names = _columns(next(result for result in info.cells if result.cell.task == task), whole)
    columns = None if names is None else ["cell", *names]
    table = read_parquet(file, columns, schema_version.EXPORT, _left_out(whole))
    number = _array(table["cell"])
    if len(number) and (np.any(np.diff(number) < 0) or number[-1] >= len(info.cells)):
        raise StoreError(f"{file} does not belong to the run.json beside it; export the run again")
    columns_of_all = {name: _array(table[name]) for name in table.column_names if name != "cell"}
    bounds = np.searchsorted(number, np.arange(len(info.cells) + 1))
    records = {}
    for index, result in enumerate(info.cells):
        if result.status == "done" and result.cell.task == task:
            records[result.cell.place] = {
                name: values[bounds[index] : bounds[index + 1]] for name, values in columns_of_all.items()
            }
            _check_length(file, result, records[result.cell.place])
    return records, absent_in(table)


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an array; not by `to_numpy`, which imports pandas, a second of a fully stored rerun's two."""
    whole = column.combine_chunks()
    if pa.types.is_boolean(whole.type):
        whole = whole.cast(pa.uint8())
    if pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type):
        return np.from_dlpack(whole)
    if pa.types.is_list(whole.type):
        return _lists(_array(pa.chunked_array([whole.flatten()])), np.from_dlpack(whole.value_lengths()))
    return np.array(whole.to_pylist(), dtype=np.str_)


def _lists(values: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
    if len(lengths) and (lengths == lengths[0]).all() and lengths[0]:
        return values.reshape(len(lengths), -1)
    rows = np.empty(len(lengths), dtype=object)
    ends = np.cumsum(lengths)
    rows[:] = [values[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return rows


def _check_length(file: Path, result: CellResult, records: Records) -> None:
    """Raise StoreError unless the cell has a record for each of its samples."""
    if len(records["error"]) != result.cell.samples:
        where = ", ".join(item.label for item in (result.cell.condition, result.cell.model, result.cell.method))
        raise StoreError(
            f"{file} holds {len(records['error'])} records of {where}, where "
            f"run.json says {result.cell.samples}; run the suite again"
        )


def read_parquet(file: Path, names: Sequence[str] | None, version: int, left_out: Sequence[str]) -> pa.Table:
    """These columns of a Parquet file, or all but some. Numbers that the file declares absent are NaN.

    Raises StoreError for a file of another version, and for a file or a column that is missing or damaged."""
    try:
        with pq.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            schema_version.check(file, schema_version.in_metadata(schema.metadata), version)
            wanted = [n for n in (schema.names if names is None else names) if n in schema.names and n not in left_out]
            table = opened.read(wanted, use_threads=False)
    except FileNotFoundError:
        raise StoreError(f"{file} is missing; run the suite again to make it") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{file} cannot be read ({reason}); it was cut short or damaged, write it again") from None
    for name in absent_in(table):
        if names is not None and name in names:
            table = table.append_column(name, pa.repeat(pa.scalar(float("nan"), pa.float32()), table.num_rows))
    for name in names or ("error", *table.column_names):
        if name not in table.column_names or table[name].null_count:
            raise StoreError(f"{file} has no whole column {name!r}; it is damaged, write it again")
    return table


def absent_in(table: pa.Table) -> tuple[str, ...]:
    """The columns of this schema version that were not recorded: they are n/a."""
    return tuple((schema_version.in_metadata(table.schema.metadata, "absent") or "").split())
