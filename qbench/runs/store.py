"""The store: one file of records for each cell key and shard. The set of files is the store; there is no index.

A file says whose records it holds, and is believed only where its checksum holds (`qbench.storage.sealed`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from qbench.compute.cell import Cell, Shard
from qbench.errors import DataError, StoreError, foreign
from qbench.runs import schema_version
from qbench.runs.json_file import read_json
from qbench.runs.run_info import RunInfo
from qbench.storage.files import Damaged, digest, set_aside, write_text
from qbench.storage.sealed import Sealed, Unsealed, open_sealed, write_sealed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Tell = Callable[[str], object]
"""Says a line to whoever runs."""


@dataclass(frozen=True)
class Stored:
    """What a shard's file says of itself."""

    computed_by: str
    """The processor or GPU."""
    bad: int
    """Samples that could not be used."""


class _Layout(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int


class _NotApplicable(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int
    key: str
    reason: str


def prepare(run: Path, tell: Tell) -> None:
    """Make a run directory ready for writing: what is damaged in it is set aside and told.

    Raises StoreError for a folder that holds something else, or files of another version."""
    if not (run / "records").is_dir() and next(run.glob("records*.parquet"), None):
        raise StoreError(f"{run} is an export of a run, which has no place for new records; choose another --out")
    repaired(lambda: check(run), tell)
    layout = run / "records" / "store.json"
    if not layout.is_file():
        write_text(layout, json.dumps({schema_version.KEY: schema_version.STORE}))


def check(run: Path) -> None:
    """Raise StoreError where a run directory has records that lie as in another version, Damaged where it does not say
    how they lie."""
    folder = run / "records"
    try:
        read_json(folder / "store.json", _Layout, schema_version.STORE)
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()) and not any(folder.glob("*/*/*")):
            raise StoreError(f"{folder} holds files that qbench did not write; choose another --out") from None


def repaired(look: Callable[[], object], tell: Tell) -> None:
    """Look at a file, and set it aside where it is damaged."""
    try:
        look()
    except Damaged as error:
        put_away([error], tell)


def put_away(damaged: Sequence[Damaged], tell: Tell) -> None:
    """Set aside what is damaged, each file once, and tell it. Raises StoreError."""
    for error in {error.file: error for error in damaged}.values():
        tell(f"{error.message}; it is set aside as {set_aside(error.file).name} and made anew")


def cell_folder(run: Path, key: str) -> Path:
    return run / "records" / key[:2] / key


def shard_file(run: Path, key: str, shard: str) -> Path:
    return cell_folder(run, key) / f"{shard}.parquet"


def table_of(columns: Mapping[str, Any]) -> pa.Table:
    """Columns of equal length as a table. Raises QbenchError for what cannot be stored."""
    import pyarrow as pa

    with foreign("its records cannot be stored"):
        table = pa.table(dict(columns))
        table.validate(full=True)
        return table


def write_records(run: Path, key: str, shard: Shard, table: pa.Table, computed_by: str) -> Stored:
    """One shard of one cell's records, and the name of the processor that computed them.

    Raises StoreError where the disk refuses, DataError for other samples than the plan's."""
    ids = digest(table["id"].to_pylist())
    if shard.ids not in {"", ids}:
        raise DataError(f"the samples of shard {shard.name} are others than when the run started; run it again")
    bad = sum(map(bool, table["error"].to_pylist()))
    facts = {
        schema_version.KEY: str(schema_version.RECORDS), "key": key, "shard": shard.name, "ids": ids, "bad": str(bad),
        "computed_by": computed_by,
    }  # fmt: skip
    write_sealed(shard_file(run, key, shard.name), table, facts)
    return Stored(computed_by, bad)


def look(run: Path, key: str, shard: Shard) -> Stored | None:
    """What is stored of a cell's shard; None where there is nothing. Raises Damaged, and StoreError for records of
    another version."""
    try:
        facts = open_shard(run, key, shard).facts
    except FileNotFoundError:
        return None
    return Stored(facts["computed_by"], int(facts["bad"]))


def open_shard(run: Path, key: str, shard: Shard) -> Sealed:
    """A shard's file: whole, and of this cell and these samples.

    Raises FileNotFoundError, Damaged, and StoreError for one of another version."""
    file = shard_file(run, key, shard.name)
    sealed = open_records(file, schema_version.RECORDS)
    facts = sealed.facts
    if not facts.keys() >= {"key", "shard", "ids", "bad", "computed_by"} or not facts["bad"].isdecimal():
        raise Damaged(file, "it does not say whose records it holds")
    if (facts["key"], facts["shard"]) != (key, shard.name):
        raise Damaged(file, f"it holds shard {facts['shard']} of cell {facts['key']}, not what its name says")
    if shard.ids not in {"", facts["ids"]}:
        raise Damaged(file, "it holds other samples than the dataset has now")
    if sealed.rows != shard.stop - shard.start:
        raise Damaged(file, f"it holds {sealed.rows} records of {shard.stop - shard.start} samples")
    return sealed


def open_records(file: Path, version: int) -> Sealed:
    """A file of records, verified. Raises FileNotFoundError, Damaged, and StoreError for one of another version."""
    try:
        sealed = open_sealed(file)
    except Unsealed as error:
        if schema_version.KEY in error.facts:
            schema_version.check(file, error.facts[schema_version.KEY], version)
        raise
    schema_version.check(file, sealed.facts.get(schema_version.KEY), version)
    return sealed


def first_error(run: Path, key: str, shards: Sequence[Shard]) -> str:
    """Why the first of a cell's samples that could not be used could not."""
    errors = (e for shard in shards for e in open_shard(run, key, shard).read(["error"])["error"].to_pylist())
    return next(filter(None, errors), "")


def read_cell(run: Path, info: RunInfo, cell: Cell) -> pd.DataFrame:
    """All records of a cell in manifest order. Raises FileNotFoundError for a missing file and Damaged."""
    import pyarrow as pa

    shards = info.sources[cell.source].shards
    table = pa.concat_tables([open_shard(run, cell.key, shard).read() for shard in shards])
    frame: pd.DataFrame = table.to_pandas()
    return frame


def not_applicable(run: Path, key: str) -> str:
    """Why a cell was found `n/a` by an earlier run, or an empty string. Raises Damaged, and StoreError for a file of
    another version."""
    file = cell_folder(run, key) / "not_applicable.json"
    try:
        found = read_json(file, _NotApplicable, schema_version.REASON)
    except FileNotFoundError:
        return ""
    if found.key != key or not found.reason:
        raise Damaged(file, "it gives no reason for this cell")
    return found.reason


def write_not_applicable(run: Path, key: str, reason: str) -> None:
    said = _NotApplicable(schema_version=schema_version.REASON, key=key, reason=reason)
    write_text(cell_folder(run, key) / "not_applicable.json", said.model_dump_json())
