"""The store: records of cells, found by key, for all suites and runs. The set of files is the store; it has no index.

    store.json                           the version of this layout
    records/ab/KEY/SHARD.parquet         work in progress: one shard of a cell
    records/ab/KEY/WHOLE.parquet         a finished cell: all samples (see `qbench.runs.seal`)
    records/ab/KEY/not_applicable.json   why a cell has no records
    efficiency/DIGEST.json               what a model and method cost
    runs/DIGEST.json                     what a run uses (see `qbench.runs.uses`)
    met/SAMPLES/METHOD-VARIANT           that a method was scored on these samples (see `qbench.runs.met`)
    runners/ID                           who computes (see `qbench.runs.claims`)

A file says whose records it holds, and is believed only where its checksum holds (`qbench.storage.sealed`)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from qbench.compute.cell import Cell, Shard
from qbench.errors import DataError, StoreError, foreign
from qbench.runs import run_info, schema_version
from qbench.runs.json_file import read_json
from qbench.runs.run_info import RunInfo
from qbench.storage.files import Damaged, digest, set_aside, write_text
from qbench.storage.sealed import Sealed, Unsealed, open_sealed, write_sealed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Tell = Callable[[str], object]
"""Says a line to whoever runs."""
LAYOUT, RECORDS, EFFICIENCY, REASON = "store.json", "records", "efficiency", "not_applicable.json"


@dataclass(frozen=True)
class Stored:
    """What a file of records says of itself."""

    computed_by: tuple[str, ...]
    """The processors and GPUs."""
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


def prepare(store: Path, tell: Tell) -> None:
    """Make a store ready for writing: what is damaged in it is set aside and told.

    Raises StoreError for a folder that holds something else, or files of another version."""
    repaired(lambda: check(store), tell)
    layout = store / LAYOUT
    if not layout.is_file():
        write_text(layout, json.dumps({schema_version.KEY: schema_version.STORE}))


def check(store: Path) -> None:
    """Raise StoreError where records lie as in another version, or are not qbench's; Damaged where a store does not say
    how they lie."""
    folder = store / RECORDS
    for layout in (folder / LAYOUT, store / LAYOUT):
        try:
            read_json(layout, _Layout, schema_version.STORE)
            return
        except FileNotFoundError:
            continue
    if folder.is_dir() and any(folder.iterdir()) and not any(folder.glob("*/*/*")):
        raise StoreError(f"{folder} holds files that qbench did not write; choose another --out or --store")


def repaired(look: Callable[[], object], tell: Tell) -> None:
    """Look at a file, and set it aside where it is damaged."""
    try:
        look()
    except Damaged as error:
        put_away([error], tell)


def put_away(damaged: Sequence[Damaged], tell: Tell) -> None:
    """Set aside what is damaged, each file once, and tell it, unless another runner did so. Raises StoreError."""
    for error in {error.file: error for error in damaged}.values():
        if os.path.lexists(error.file):
            tell(f"{error.message}; it is set aside as {set_aside(error.file).name} and made anew")


def cell_folder(store: Path, key: str) -> Path:
    return store / RECORDS / key[:2] / key


def shard_file(store: Path, key: str, shard: str) -> Path:
    return cell_folder(store, key) / f"{shard}.parquet"


def names(store: Path, key: str) -> set[str]:
    """What lies in a cell's folder; nothing where it cannot be listed, and `not_applicable` tells why."""
    try:
        return {file.name for file in cell_folder(store, key).iterdir()}
    except OSError:
        return set()


def table_of(columns: Mapping[str, Any]) -> pa.Table:
    """Columns of equal length as a table. Raises QbenchError for what cannot be stored."""
    import pyarrow as pa

    with foreign("its records cannot be stored"):
        table = pa.table(dict(columns))
        table.validate(full=True)
        return table


def write_records(
    store: Path, key: str, shard: Shard, table: pa.Table, computed_by: tuple[str, ...], parts: str = "",
    put_together: Sequence[Shard] = (),
) -> Stored:  # fmt: skip
    """A cell's records of one shard, or of all that it is `put_together` from; the names of the processors that
    computed them, and the `parts` that the key is the digest of.

    Raises StoreError where the disk refuses, DataError for other samples than the plan's."""
    ids = digest(table["id"].to_pylist())
    if shard.ids not in {"", ids}:
        raise DataError(f"the samples of shard {shard.name} are others than when the run started; run it again")
    bad = sum(map(bool, table["error"].to_pylist()))
    facts = {
        schema_version.KEY: str(schema_version.RECORDS), "key": key, "parts": parts, "shard": shard.name,
        "shards": json.dumps([[part.name, part.stop - part.start] for part in put_together or (shard,)]), "ids": ids,
        "bad": str(bad), "computed_by": json.dumps(list(computed_by)),
    }  # fmt: skip
    write_sealed(shard_file(store, key, shard.name), table, facts)
    return Stored(computed_by, bad)


def look(store: Path, key: str, shard: Shard) -> Stored | None:
    """What is stored of a cell's shard; None where there is nothing. Raises Damaged, and StoreError for records of
    another version."""
    try:
        return stored_of(open_shard(store, key, shard))
    except FileNotFoundError:
        return None


def stored_of(sealed: Sealed) -> Stored:
    """What an opened file of records says of itself."""
    return Stored(tuple(json.loads(sealed.facts["computed_by"])), int(sealed.facts["bad"]))


def open_shard(store: Path, key: str, shard: Shard) -> Sealed:
    """A shard's file: whole, and of this cell and these samples.

    Raises FileNotFoundError, Damaged, and StoreError for one of another version."""
    file = shard_file(store, key, shard.name)
    sealed = open_cell_file(file)
    facts = sealed.facts
    if (facts["key"], facts["shard"]) != (key, shard.name):
        raise Damaged(file, f"it holds shard {facts['shard']} of cell {facts['key']}, not what its name says")
    if shard.ids not in {"", facts["ids"]}:
        raise Damaged(file, "it holds other samples than the dataset has now")
    if sealed.rows != shard.stop - shard.start:
        raise Damaged(file, f"it holds {sealed.rows} records of {shard.stop - shard.start} samples")
    return sealed


def open_cell_file(file: Path) -> Sealed:
    """A file of some cell's records, which says whose. Raises as `open_records`."""
    sealed = open_records(file, schema_version.RECORDS)
    facts = sealed.facts
    if not facts.keys() >= {"key", "parts", "shard", "shards", "ids", "bad", "computed_by"}:
        raise Damaged(file, "it does not say whose records it holds")
    if not (facts["bad"].isdecimal() and all(_is_list(facts[name]) for name in ("shards", "computed_by"))):
        raise Damaged(file, "it does not say whose records it holds")
    return sealed


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


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


def first_error(store: Path, key: str, whole: Shard) -> str:
    """Why the first of a finished cell's samples that could not be used could not."""
    return next(filter(None, open_shard(store, key, whole).read(["error"])["error"].to_pylist()), "")


def read_cell(run: Path, info: RunInfo, cell: Cell) -> pd.DataFrame:
    """All records of a finished cell in manifest order. Raises FileNotFoundError for a missing file and Damaged."""
    sealed = open_shard(run_info.store_of(run, info), cell.key, info.sources[cell.source].whole)
    frame: pd.DataFrame = sealed.read().to_pandas()
    return frame


def not_applicable(store: Path, key: str) -> str:
    """Why a cell was found `n/a` by an earlier run, or an empty string. Raises Damaged, and StoreError for a file of
    another version."""
    file = cell_folder(store, key) / REASON
    try:
        found = read_json(file, _NotApplicable, schema_version.REASON)
    except FileNotFoundError:
        return ""
    if found.key != key or not found.reason:
        raise Damaged(file, "it gives no reason for this cell")
    return found.reason


def write_not_applicable(store: Path, key: str, reason: str) -> None:
    said = _NotApplicable(schema_version=schema_version.REASON, key=key, reason=reason)
    write_text(cell_folder(store, key) / REASON, said.model_dump_json())
