"""Finished cells: all of a cell's shards in one file, after which the small ones go.

At whatever step this is stopped, each record lies in a whole file: small files go only after the one of all is in place
and verified. The next run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from qbench.compute.cell import Cell, Shard, Source
from qbench.errors import StoreError, foreign
from qbench.runs import store as files
from qbench.runs.claims import Runner
from qbench.runs.store import Stored
from qbench.runs.uses import finished_files
from qbench.storage.files import Damaged


@dataclass(frozen=True)
class State:
    """What a store holds of a cell on a source."""

    reason: str = ""
    """Why it does not apply."""
    whole: Stored | None = None
    shards: Mapping[str, Stored] = field(default_factory=dict)
    """Of an unfinished cell, by shard."""
    covered: Mapping[str, Path] = field(default_factory=dict)
    """Shards that lie in a sealed file of other samples, by name."""
    damaged: tuple[Damaged, ...] = ()
    leftovers: tuple[Path, ...] = ()
    """What a runner that was stopped left beside the file of all."""


def look(store: Path, cell: Cell, source: Source) -> State:
    """Look at all files of a cell. Raises StoreError for those of another version."""
    damaged: list[Damaged] = []
    try:
        reason = cell.not_applicable or files.not_applicable(store, cell.key)
        if reason:
            return State(reason)
    except Damaged as error:
        damaged.append(error)
    names = files.names(store, cell.key)
    whole = _each(store, cell.key, (source.whole,), names, damaged).get(source.whole.name)
    if whole is not None:
        left = _leftovers(store, cell.key, source, names)
        return State(whole=whole, damaged=tuple(damaged), leftovers=left)
    shards = _each(store, cell.key, [s for s in source.shards if s.name != source.whole.name], names, damaged)
    if len(shards) < len(names & {f"{shard.name}.parquet" for shard in source.shards}) and not damaged:
        return look(store, cell, source)  # another runner has sealed the cell meanwhile
    lacking = [shard.name for shard in source.shards if shard.name not in shards]
    others = names - {f"{shard.name}.parquet" for shard in (source.whole, *source.shards)}
    covered = _covered(store, cell.key, lacking, others) if lacking else {}
    return State(shards=shards, covered=covered, damaged=tuple(damaged))


def _each(store: Path, key: str, shards: Sequence[Shard], names: set[str], damaged: list[Damaged]) -> dict[str, Stored]:
    """What is stored of these shards, by name. What is damaged is added to `damaged`."""
    found = {}
    for shard in shards:
        try:
            stored = files.look(store, key, shard) if f"{shard.name}.parquet" in names else None
        except Damaged as error:
            damaged.append(error)
            continue
        if stored is not None:
            found[shard.name] = stored
    return found


def _covered(store: Path, key: str, lacking: Sequence[str], others: set[str]) -> dict[str, Path]:
    """The lacking shards that lie in files of other samples of the cell. Files that do not hold are passed over."""
    covered: dict[str, Path] = {}
    for name in sorted(name for name in others if name.endswith(".parquet") and not name.startswith(".")):
        file = files.cell_folder(store, key) / name
        try:
            sealed = files.open_cell_file(file)
        except (Damaged, FileNotFoundError):
            continue
        if sealed.facts["key"] == key:
            inside = [part for part, _ in json.loads(sealed.facts["shards"])]
            covered |= {shard: file for shard in lacking if shard in inside}
    return covered


def _leftovers(store: Path, key: str, source: Source, names: set[str]) -> tuple[Path, ...]:
    """Beside the file of all: small files that are not all samples of another run, and claims and temporary files."""
    folder, whole = files.cell_folder(store, key), source.whole.name
    shards = {shard.name for shard in source.shards} - {whole}
    small = {f"{name}.parquet" for name in shards - finished_files(store, key)} & names
    hidden = (name for name in names if name.startswith(".") and name[1:].split(".")[0] in {*shards, whole})
    return tuple(folder / name for name in sorted((*small, *hidden)))


def copy_covered(store: Path, cell: Cell, source: Source, covered: Mapping[str, Path]) -> Mapping[str, Stored]:
    """Write small files of shards that lie in sealed files of other samples, by name. Raises StoreError."""
    copied = {}
    for shard in source.shards:
        if shard.name in covered:
            sealed = files.open_cell_file(covered[shard.name])
            parts = json.loads(sealed.facts["shards"])
            before = [name for name, _ in parts].index(shard.name)
            table = sealed.read().slice(sum(rows for _, rows in parts[:before]), parts[before][1])
            by = files.stored_of(sealed).computed_by
            copied[shard.name] = files.write_records(store, cell.key, shard, table, by, cell.parts)
    return copied


def seal(runner: Runner, cell: Cell, source: Source) -> Stored | None:
    """Put the shards of a cell, all of which are stored, into one file, and remove the small ones. None where another
    runner is doing so, or something was removed meanwhile.

    Raises StoreError where the disk refuses, Damaged."""
    store, whole = runner.store, source.whole
    file = files.shard_file(store, cell.key, whole.name)
    if runner.take(file):
        return None
    try:
        stored = files.look(store, cell.key, whole)
        if stored is None:
            with suppress(FileNotFoundError):  # another runner took over while this one stood still, and has sealed it
                _put_together(store, cell, source)
            _settle(file.parent)
            stored = files.look(store, cell.key, whole)
        remove(_leftovers(store, cell.key, source, files.names(store, cell.key)))
    finally:
        runner.release(file)
    return stored


def _put_together(store: Path, cell: Cell, source: Source) -> None:
    import pyarrow as pa

    parts = [files.open_shard(store, cell.key, shard) for shard in source.shards]
    with foreign(f"the shards in {files.cell_folder(store, cell.key)} do not fit together", StoreError):
        table = pa.concat_tables([part.read() for part in parts], promote_options="permissive")
    by = tuple(sorted({name for part in parts for name in files.stored_of(part).computed_by}))
    files.write_records(store, cell.key, source.whole, table, by, cell.parts, source.shards)


def _settle(folder: Path) -> None:
    """Wait until the disk holds the folder's names as they are now."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(leftovers: Sequence[Path]) -> None:
    for file in leftovers:
        file.unlink(missing_ok=True)
