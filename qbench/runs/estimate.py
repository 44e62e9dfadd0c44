"""How much a plan will cost: the work that is shared, and the time on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.compute.cell import Cell, Plan
from qbench.errors import QbenchError
from qbench.runs.execute import Unit

if TYPE_CHECKING:
    from qbench.compute.pipeline import Outcome


@dataclass(frozen=True)
class SharedWork:
    """Counts of samples that go through each step; without sharing every one would be `predictions`."""

    decodes: int
    degradations: int
    restorations: int
    fronts: int
    predictions: int


def shared_work(plan: Plan, units: Sequence[Unit]) -> SharedWork:
    """What the missing units need, each step counted once for all cells that share it (views by their declaration)."""
    decodes = degradations = restorations = fronts = predictions = 0
    for unit in units:
        cells = [plan.cells[i] for i in unit.cells]
        count = unit.shard.stop - unit.shard.start
        decodes += count
        degradations += count * len({_view_and_condition(c) for c in cells})
        restorations += count * len(
            {(_view_and_condition(c), c.method.label) for c in cells if c.method.site == "image"}
        )
        fronts += count * len({(_view_and_condition(c), c.model.label) for c in cells if c.method.site == "feature"})
        predictions += count * len(cells)
    return SharedWork(decodes, degradations, restorations, fronts, predictions)


def _view_and_condition(cell: Cell) -> tuple[str, str, str]:
    return cell.view.label, cell.condition.name, json.dumps(cell.condition.params, sort_keys=True)


def seconds(plan: Plan, units: Sequence[Unit]) -> float:
    """One warm batch of each (source, model, method) is timed as the run would do it, and multiplied.

    Raises QbenchError for a cell that fails."""
    from qbench.compute.bench import Workbench
    from qbench.compute.cell import Shard
    from qbench.compute.pipeline import run_shard
    from qbench.runtime import fixed_threads

    bench = Workbench(plan)
    counts: dict[tuple[int, str, str], int] = {}
    samples: dict[tuple[int, str, str], Cell] = {}
    for unit in units:
        for i in unit.cells:
            cell = plan.cells[i]
            kind = cell.source, cell.model.label, cell.method.label
            samples.setdefault(kind, cell)
            counts[kind] = counts.get(kind, 0) + unit.shard.stop - unit.shard.start
    total = 0.0
    with fixed_threads(plan.settings.threads):
        for kind, cell in samples.items():
            shard = Shard(start=0, stop=min(plan.settings.batch, cell.samples), name="trial")
            for outcome in run_shard([cell], Shard(start=0, stop=1, name="warm-up"), plan.settings, bench):
                _check(outcome)
            start = time.perf_counter()
            list(run_shard([cell], shard, plan.settings, bench))
            total += (time.perf_counter() - start) / shard.stop * counts[kind]
    return total


def _check(outcome: Outcome) -> None:
    error = outcome.error
    if error is not None:
        raise error if isinstance(error, QbenchError) else QbenchError(f"{type(error).__name__}: {error}") from error
