"""The store: one Parquet file for each cell key and shard. The set of files is the store; there is no index.

A file is written under a temporary name, fsynced and renamed, so that after a crash it is there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbench.compute.cell import Cell
from qbench.errors import StoreError
from qbench.runs import schema_version
from qbench.runs.run_info import RunInfo
from qbench.storage.files import atomic, write_text

if TYPE_CHECKING:
    import pandas as pd


def create(run: Path) -> None:
    """Mark a run directory without records as a store of this version."""
    folder = run / "records"
    if not folder.is_dir() or not any(folder.iterdir()):
        write_text(folder / "store.json", json.dumps({schema_version.KEY: schema_version.STORE}))


def check(run: Path) -> None:
    """Raise StoreError where a run directory has records that lie as in another version."""
    folder = run / "records"
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        version = json.loads((folder / "store.json").read_text(encoding="utf-8"))[schema_version.KEY]
    except (OSError, ValueError, KeyError, TypeError):
        version = None
    schema_version.check(folder, version, schema_version.STORE)


def cell_folder(run: Path, key: str) -> Path:
    return run / "records" / key[:2] / key


def shard_file(run: Path, key: str, shard: str) -> Path:
    return cell_folder(run, key) / f"{shard}.parquet"


def write_records(file: Path, columns: Mapping[str, Any]) -> None:
    """One shard of one cell's records; columns of equal length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(dict(columns)).replace_schema_metadata(schema_version.metadata(schema_version.RECORDS))
    atomic(file, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def read_shard(file: Path) -> pd.DataFrame:
    """One shard. Raises StoreError for a file that is missing or cut short."""
    frame: pd.DataFrame = _table(file, None).to_pandas()
    return frame


def read_errors(file: Path) -> list[str]:
    """Why samples of a shard could not be read, "" for those that could; without pandas. Raises StoreError."""
    errors: list[str] = _table(file, ["error"])["error"].to_pylist()
    return errors


def _table(file: Path, names: list[str] | None) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            version = schema_version.in_metadata(opened.schema_arrow.metadata)
            schema_version.check(file, version, schema_version.RECORDS)
            return opened.read(names)
    except FileNotFoundError:
        raise StoreError(f"records {file} are missing; run the suite again to make them") from None
    except (OSError, pa.ArrowException) as error:
        text = str(error).splitlines()[0]
        raise StoreError(f"records {file} are damaged ({text}); remove the file and run the suite again") from None


def is_whole(file: Path) -> bool:
    """Whether a shard's file is there and ends as a Parquet file must."""
    try:
        with file.open("rb") as handle:
            if handle.read(4) != b"PAR1":
                return False
            handle.seek(-4, os.SEEK_END)
            return handle.read(4) == b"PAR1"
    except OSError:
        return False


def read_cell(run: Path, info: RunInfo, cell: Cell) -> pd.DataFrame:
    """All records of a cell in manifest order. Raises StoreError for a missing or damaged file."""
    import pandas as pd

    shards = info.sources[cell.source].shards
    return pd.concat([read_shard(shard_file(run, cell.key, shard.name)) for shard in shards], ignore_index=True)


def not_applicable(run: Path, key: str) -> str:
    """Why a cell was found `n/a` by an earlier run, or an empty string."""
    file = cell_folder(run, key) / "not_applicable.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, KeyError):
        return ""


def write_not_applicable(run: Path, key: str, reason: str) -> None:
    write_text(cell_folder(run, key) / "not_applicable.json", json.dumps({"reason": reason}))
