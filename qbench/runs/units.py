"""What the store holds of a plan, and the units of work that it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qbench.compute.cell import Shard
from qbench.runs import store
from qbench.runs.planned import Plan
from qbench.runs.run_info import Status
from qbench.runs.store import Stored
from qbench.storage.files import Damaged


@dataclass(frozen=True)
class Unit:
    """The missing files of the cells of one source on one shard: one schedule of shared work."""

    source: int
    shard: Shard
    cells: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """Why a cell has no records: it does not apply, or it failed."""

    cell: int
    status: Status
    reason: str


@dataclass(frozen=True)
class Finished:
    """What came of a unit: what was stored, by cell, and why other cells have no records."""

    shard: str
    stored: Mapping[int, Stored]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Survey:
    """What the store holds of a plan: by cell and shard what each whole file says, and what was known of cells."""

    stored: Mapping[tuple[int, str], Stored]
    verdicts: Sequence[Verdict]
    damaged: Sequence[Damaged]
    """Files that are not what they must be; their work is missing."""


def survey(plan: Plan, run: Path) -> Survey:
    """Look at every file of a plan. Raises StoreError for files of another version."""
    stored: dict[tuple[int, str], Stored] = {}
    verdicts: list[Verdict] = []
    damaged: list[Damaged] = []
    try:
        store.check(run)
    except Damaged as error:
        damaged.append(error)
    for number, cell in enumerate(plan.cells):
        try:
            reason = cell.not_applicable or store.not_applicable(run, cell.key)
        except Damaged as error:
            damaged.append(error)
            reason = ""
        if reason:
            verdicts.append(Verdict(number, "n/a", reason))
            continue
        for shard in plan.sources[cell.source].shards:
            try:
                found = store.look(run, cell.key, shard)
            except Damaged as error:
                damaged.append(error)
                continue
            if found is not None:
                stored[number, shard.name] = found
    return Survey(stored, verdicts, damaged)


def missing_units(plan: Plan, found: Survey) -> list[Unit]:
    """The work that the store lacks, shard by shard, so that early shards are whole first."""
    skip = {verdict.cell for verdict in found.verdicts}
    units = []
    for number, source in enumerate(plan.sources):
        numbers = [i for i, cell in enumerate(plan.cells) if cell.source == number and i not in skip]
        for shard in source.shards:
            lacking = tuple(i for i in numbers if (i, shard.name) not in found.stored)
            if lacking:
                units.append(Unit(number, shard, lacking))
    return units


def unit_files(plan: Plan, run: Path, units: Sequence[Unit]) -> list[Path]:
    """The files that `units` will write."""
    return [store.shard_file(run, plan.cells[i].key, unit.shard.name) for unit in units for i in unit.cells]
