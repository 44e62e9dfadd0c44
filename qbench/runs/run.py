"""One run from plan to `run.json`: compute what is missing, measure costs, write down what came of each cell."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from qbench.compute.cell import Cell
from qbench.keys.versions import library_versions
from qbench.runs import execute, run_info, store
from qbench.runs.cost_record import cost_of
from qbench.runs.ledger import Ledger
from qbench.runs.machine import check_device, device_name
from qbench.runs.planned import Plan
from qbench.runs.run_info import RunInfo
from qbench.runs.units import missing_units, survey, unit_files
from qbench.storage.files import Damaged, digest

Watch = Callable[[Sequence[Path], str], AbstractContextManager[None]]
"""Shows progress while the given files come into being, and what they are."""


def _unwatched(_files: Sequence[Path], _what: str) -> AbstractContextManager[None]:
    return nullcontext()


def run_plan(
    plan: Plan, run: Path, *, workers: int, feeders: int | None = None, command: str, watch: Watch = _unwatched,
    tell: store.Tell = warnings.warn,
) -> RunInfo:  # fmt: skip
    """Compute what the store under `run` lacks of the plan. `run.json` is there from the start and kept up to date.
    For `workers` and `feeders` see `execute`.

    What is damaged is set aside and told. Raises QbenchError for a device that is not here, StoreError where the disk
    refuses. After a kill or Ctrl-C the same call continues."""
    for device in plan.devices:
        check_device(device)
    feeders = execute.feeders_for(plan, workers, feeders)
    store.prepare(run, tell)
    store.repaired(lambda: _meet(plan, run, tell), tell)
    found = survey(plan, run)
    store.put_away(found.damaged, tell)
    ledger = Ledger(plan, run, command, found)
    units = missing_units(plan, found)
    todo = execute.job(plan, run)
    files = unit_files(plan, run, units)
    with ledger.kept():
        with watch(files, "records"):
            for finished in execute.execute(todo, units, workers, feeders, tell):
                ledger.add(finished)
        info = ledger.info()
        return ledger.save(costs=costs(plan, run, info, watch, tell) if "efficiency" in plan.tables else ())


def _meet(plan: Plan, run: Path, tell: store.Tell) -> None:
    """Tell where the folder holds another suite's run: its records stay, its `run.json` does not."""
    if os.path.lexists(run / run_info.FILE):
        before = run_info.read(run)
        here, there = (plan.suite, plan.settings.seed), (before.suite, before.seed)
        if here != there:
            text = f"{run} held suite {there[0]!r} of seed {there[1]}, and now {here[0]!r} of seed {here[1]}"
            tell(f"{text}: records of both stay, the report is of the latter")


def costs(plan: Plan, run: Path, info: RunInfo, watch: Watch, tell: store.Tell) -> tuple[str, ...]:
    """Names of the files with the cost of each model x method that has records; what is missing is measured."""
    device = device_name(plan.settings.device)
    pairs: dict[tuple[str, str], Cell] = {}
    for cell, result in zip(plan.cells, info.cells, strict=True):
        if result.status == "done":
            pairs.setdefault((cell.model.label, cell.method.label), cell)
    files = {run / "efficiency" / f"{cost_digest(cell, plan, device)}.json": cell for cell in pairs.values()}
    missing = {file: cell for file, cell in files.items() if not _measured(file, cell, tell)}
    if missing:
        from qbench.runs.costs import measure_all

        with watch(list(missing), "costs"):
            measure_all(plan, missing, device, tell)
    return tuple(sorted(file.name for file in files if file.exists()))


def _measured(file: Path, cell: Cell, tell: store.Tell) -> bool:
    """Whether a cost is there; a file that is damaged, or of another model or method, is set aside."""
    try:
        return bool(cost_of(file, cell))
    except FileNotFoundError:
        return False
    except Damaged as error:
        store.put_away([error], tell)
        return False


def cost_digest(cell: Cell, plan: Plan, device: str) -> str:
    """Digest of all that decides the cost of a cell's model and method."""
    parts = [cell.cost, cell.model.label, cell.method.label, device]
    size = [cell.view.model_dump(), plan.sources[cell.source].shards[0].name]
    return digest([*parts, *size, plan.settings.threads, library_versions()])
