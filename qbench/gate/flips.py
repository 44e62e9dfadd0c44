"""Which samples a model got right before and no longer gets, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qbench.report.columns import Records
from qbench.report.source import Loaded


@dataclass(frozen=True)
class Flip:
    """A sample that flipped."""

    id: str
    facts: str
    """JSON: of its degradation."""
    change: float
    """By how much its likelihood of the right class rose; below zero: fell."""
    position: int
    """Its place in the dataset."""


@dataclass(frozen=True)
class Flips:
    """The samples of one cell whose hit became a miss (`lost`, the worst first) or whose miss became a hit (`won`)."""

    cell: tuple[str, ...]
    lost: tuple[Flip, ...]
    won: tuple[Flip, ...]


def flips(before: Loaded, now: Loaded) -> Iterator[Flips]:
    """Of all cells of classification that both have done and in which a sample flips."""
    there = {result.cell.in_tables: result.cell for result in before.info.cells if result.status == "done"}
    for result in now.info.cells:
        was_cell = there.get(result.cell.in_tables)
        if was_cell is None or result.status != "done" or result.cell.task != "classification":
            continue
        found = flipped(result.cell.in_tables, before.records[was_cell.place], now.records[result.cell.place])
        if found.lost or found.won:
            yield found


def flipped(cell: tuple[str, ...], was: Records, now: Records) -> Flips:
    """Of two records of classification of the same samples; `cell` is what they are called."""
    ranks = [np.asarray(side["rank"]) for side in (was, now)]
    known = (ranks[0] >= 0) & (ranks[1] >= 0)
    hit_before, hit_now = (rank == 0 for rank in ranks)
    change = np.exp(-np.asarray(now["nll"], np.float64)) - np.exp(-np.asarray(was["nll"], np.float64))
    facts = now["facts"] if "facts" in now else np.full(len(hit_now), "{}")
    lost, won = (
        tuple(Flip(str(now["id"][i]), str(facts[i]), float(change[i]), int(i)) for i in np.flatnonzero(changed))
        for changed in (known & hit_before & ~hit_now, known & ~hit_before & hit_now)
    )
    return Flips(cell, tuple(sorted(lost, key=lambda flip: flip.change)), won)
