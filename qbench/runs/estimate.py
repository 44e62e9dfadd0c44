"""How much a plan will cost: the work that is shared, and the time on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell, Shard
from qbench.compute.schedule import schedule
from qbench.compute.shard import Outcome, run_shard
from qbench.errors import QbenchError
from qbench.registry.named import text_of
from qbench.runs.execute import by_models
from qbench.runs.planned import Plan
from qbench.runs.units import Unit


@dataclass(frozen=True)
class SharedWork:
    """Counts of samples that go through each step; without sharing every one would be `predictions`."""

    decodes: int
    degradations: int
    restorations: int
    stems: int
    predictions: int


def shared_work(plan: Plan, units: Sequence[Unit], bench: Workbench) -> SharedWork:
    """What the missing units need, each step counted once for all cells that share it, by the schedule that a run
    follows. Raises QbenchError for a cell whose model or method cannot be built."""
    decodes = degradations = restorations = stems = predictions = 0
    for unit in by_models(plan, units):
        steps = schedule(bench.placed(plan.cells[i]) for i in unit.cells)
        conditions = [condition for at_view in steps for condition in at_view.conditions]
        count = unit.shard.stop - unit.shard.start
        decodes += count
        degradations += count * len(conditions)
        restorations += count * sum(len(condition.restored) for condition in conditions)
        stems += count * sum(len(condition.stems) for condition in conditions)
        predictions += count * len(unit.cells)
    return SharedWork(decodes, degradations, restorations, stems, predictions)


def seconds(plan: Plan, units: Sequence[Unit], bench: Workbench) -> float:
    """One warm batch of each (source, model, method) is timed as the run would do it, and multiplied.

    Raises QbenchError for a cell that fails."""
    counts: dict[tuple[int, str, str], int] = {}
    samples: dict[tuple[int, str, str], Cell] = {}
    for unit in units:
        for i in unit.cells:
            cell = plan.cells[i]
            kind = cell.source, text_of(cell.model), text_of(cell.method)
            samples.setdefault(kind, cell)
            counts[kind] = counts.get(kind, 0) + unit.shard.stop - unit.shard.start
    total = 0.0
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
