"""What the store holds of a plan, and the units of work that it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qbench.compute.cell import Shard
from qbench.runs import seal, store
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
    left: tuple[int, ...] = ()
    """Cells that this run did not compute: another one holds or has stored them."""


@dataclass(frozen=True)
class Survey:
    """What the store holds of a plan, as its whole files say."""

    whole: Mapping[int, Stored]
    """By cell, those that are finished."""
    shards: Mapping[tuple[int, str], Stored]
    """By cell and shard, what is there of the others."""
    covered: Mapping[int, Mapping[str, Path]]
    """By cell and shard, files of other samples that hold a shard which lacks a file."""
    verdicts: Sequence[Verdict]
    damaged: Sequence[Damaged]
    """Files that are not what they must be; their work is missing."""
    leftovers: Sequence[Path] = field(default=())
    """What runners that were stopped left beside the files of finished cells."""


def survey(plan: Plan, root: Path, only: Collection[int] | None = None) -> Survey:
    """Look at every file of a plan, or of some of its cells. Raises StoreError for files of another version."""
    whole: dict[int, Stored] = {}
    shards: dict[tuple[int, str], Stored] = {}
    covered: dict[int, Mapping[str, Path]] = {}
    verdicts: list[Verdict] = []
    damaged: list[Damaged] = []
    leftovers: list[Path] = []
    try:
        store.check(root)
    except Damaged as error:
        damaged.append(error)
    for number, cell in enumerate(plan.cells):
        if only is not None and number not in only:
            continue
        state = seal.look(root, cell, plan.sources[cell.source])
        damaged += state.damaged
        leftovers += state.leftovers
        if state.reason:
            verdicts.append(Verdict(number, "n/a", state.reason))
        elif state.whole is not None:
            whole[number] = state.whole
        else:
            shards |= {(number, name): stored for name, stored in state.shards.items()}
            covered |= {number: state.covered} if state.covered else {}
    return Survey(whole, shards, covered, verdicts, damaged, leftovers)


def missing_units(plan: Plan, found: Survey, only: Collection[int] | None = None) -> list[Unit]:
    """The work that the store lacks, shard by shard, so that early shards are whole first."""
    skip = {verdict.cell for verdict in found.verdicts} | found.whole.keys()
    units = []
    for number, source in enumerate(plan.sources):
        cells = [i for i, cell in enumerate(plan.cells) if cell.source == number and i not in skip]
        cells = [i for i in cells if only is None or i in only]
        for shard in source.shards:
            lacking = tuple(i for i in cells if not _is_stored(found, i, shard.name))
            if lacking:
                units.append(Unit(number, shard, lacking))
    return units


def _is_stored(found: Survey, cell: int, shard: str) -> bool:
    return (cell, shard) in found.shards or shard in found.covered.get(cell, {})


def unit_files(plan: Plan, root: Path, units: Sequence[Unit]) -> list[tuple[Path, Path]]:
    """For each file that `units` will write, the places where it may come into being: alone, or among its cell's."""
    return [
        (
            store.shard_file(root, plan.cells[i].key, unit.shard.name),
            store.shard_file(root, plan.cells[i].key, plan.sources[unit.source].whole.name),
        )
        for unit in units
        for i in unit.cells
    ]
