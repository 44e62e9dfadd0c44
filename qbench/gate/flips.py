"""Which samples a model got right before and no longer gets, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qbench.report.source import Loaded


@dataclass(frozen=True)
class Flips:
    """The samples of one cell whose hit became a miss (`lost`) or whose miss became a hit (`won`), by id, with the
    facts of their degradation."""

    cell: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    won: tuple[tuple[str, str], ...]


def flips(before: Loaded, now: Loaded) -> Iterator[Flips]:
    """Of all cells of classification that both have done and in which a sample flips."""
    there = {result.cell.in_tables: result.cell for result in before.info.cells if result.status == "done"}
    for result in now.info.cells:
        was_cell = there.get(result.cell.in_tables)
        if was_cell is None or result.status != "done" or result.cell.task != "classification":
            continue
        was, records = before.records[was_cell.place], now.records[result.cell.place]
        hit_before, hit_now = (np.asarray(side["rank"]) == 0 for side in (was, records))
        facts = records["facts"] if "facts" in records else np.full(len(hit_now), "{}")
        lost, won = (
            tuple((str(records["id"][i]), str(facts[i])) for i in np.flatnonzero(changed))
            for changed in (hit_before & ~hit_now, ~hit_before & hit_now)
        )
        if lost or won:
            yield Flips(result.cell.in_tables, lost, won)
