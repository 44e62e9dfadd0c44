"""One run from plan to `run.json`: compute what is missing, measure costs, write down what came of each cell."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from qbench.compute.cell import Cell
from qbench.errors import StoreError
from qbench.keys.versions import library_versions
from qbench.runs import execute, run_info, seal, store
from qbench.runs.claims import Runner, beating
from qbench.runs.cost_record import cost_of
from qbench.runs.ledger import Ledger
from qbench.runs.machine import check_device, device_name
from qbench.runs.met import write_met
from qbench.runs.planned import Plan
from qbench.runs.run_info import RunInfo
from qbench.runs.units import Survey, Unit, missing_units, survey, unit_files
from qbench.runs.uses import write_uses
from qbench.storage.files import Damaged, check_writable, digest

Watch = Callable[[Sequence[tuple[Path, ...]], str], AbstractContextManager[None]]
"""Shows progress while files come into being, each at one of its places, and what they are."""
LOOK_AGAIN = 1.0
"""Seconds between two looks at what other runners do."""


def _unwatched(_files: Sequence[tuple[Path, ...]], _what: str) -> AbstractContextManager[None]:
    return nullcontext()


def run_plan(
    plan: Plan, run: Path, *, workers: int, feeders: int | None = None, command: str, records: Path | None = None,
    watch: Watch = _unwatched, tell: store.Tell = warnings.warn,
) -> RunInfo:  # fmt: skip
    """Compute what a store lacks of the plan; `records` is its folder, by default the run directory itself. `run.json`
    is there from the start and kept up to date. For `workers` and `feeders` see `execute`.

    What is damaged is set aside and told. Raises QbenchError for a device that is not here, StoreError where the disk
    refuses. After a kill or Ctrl-C the same call continues. Other runs that use the store share the work."""
    root = run if records is None else records
    for device in plan.devices:
        check_device(device)
    feeders = execute.feeders_for(plan, workers, feeders)
    _check_no_export(run)
    store.prepare(root, tell)
    store.repaired(lambda: _meet(plan, run, tell), tell)
    check_writable(run)
    write_uses(root, run, plan, ())
    found = survey(plan, root)
    store.put_away(found.damaged, tell)
    seal.remove(found.leftovers)
    ledger = Ledger(plan, run, root, command, found)
    with ledger.kept():
        with beating(root) as runner:
            work = _Work(plan, execute.job(plan, run, runner), runner, ledger, tell)
            with watch(unit_files(plan, root, missing_units(plan, found)), "records"):
                work.do(found, workers, feeders)
        info = ledger.info()
        measured = costs(plan, root, info, watch, tell) if "efficiency" in plan.tables else ()
        write_uses(root, run, plan, measured)
        write_met(root, plan, info.cells)
        return ledger.save(costs=measured)


class _Work:
    """What a run lacks, until it is computed here or by other runners."""

    def __init__(self, plan: Plan, todo: execute.Job, runner: Runner, ledger: Ledger, tell: store.Tell) -> None:
        self._plan, self._todo, self._runner, self._ledger, self._tell = plan, todo, runner, ledger, tell

    def do(self, found: Survey, workers: int, feeders: int) -> None:
        waited_for: set[str] = set()
        while True:
            units = self._units(found)
            free = [unit for unit in units if not self._holders(unit)]
            for finished in execute.execute(self._todo, free, workers, feeders, self._tell):
                self._ledger.add(finished)
                self._seal()
            self._seal()
            unsettled = self._ledger.unsettled()
            if not unsettled:
                return
            if not free:
                self._wait(units, waited_for)
            found = survey(self._plan, self._runner.store, unsettled)
            store.put_away(found.damaged, self._tell)
            self._ledger.meet(found)

    def _units(self, found: Survey) -> list[Unit]:
        """What is to be computed, after what lies in files of other samples has been copied."""
        for number, covered in found.covered.items():
            cell = self._plan.cells[number]
            source = self._plan.sources[cell.source]
            for shard in seal.copy_covered(self._runner.store, cell, source, covered):
                self._ledger.stored(number, shard)
        return missing_units(self._plan, found, self._ledger.unsettled())

    def _holders(self, unit: Unit) -> set[str]:
        """Who else computes a unit, where nothing of it is left to this run."""
        keys = [self._plan.cells[number].key for number in unit.cells]
        files = [store.shard_file(self._runner.store, key, unit.shard.name) for key in keys]
        holders = [self._runner.holder(file) for file in files]
        return set(holders) if all(holders) else set()

    def _seal(self) -> None:
        for number in self._ledger.full():
            cell = self._plan.cells[number]
            stored = seal.seal(self._runner, cell, self._plan.sources[cell.source])
            if stored is not None:
                self._ledger.seal(number, stored)

    def _wait(self, units: Sequence[Unit], waited_for: set[str]) -> None:
        """Give other runners time, and tell once for whom this one waits."""
        holders = {holder for unit in units for holder in self._holders(unit)} - waited_for
        if holders:
            self._tell(f"waiting for what another run computes in the same store: {', '.join(sorted(holders))}")
            waited_for |= holders
        time.sleep(LOOK_AGAIN)


def _check_no_export(run: Path) -> None:
    if next(run.glob("records*.parquet"), None):
        raise StoreError(f"{run} is an export of a run, which has no place for another one; choose another --out")


def _meet(plan: Plan, run: Path, tell: store.Tell) -> None:
    """Tell where the folder holds another suite's run: its records stay, its `run.json` does not."""
    if os.path.lexists(run / run_info.FILE):
        before = run_info.read(run)
        here, there = (plan.suite, plan.settings.seed), (before.suite, before.seed)
        if here != there:
            text = f"{run} held suite {there[0]!r} of seed {there[1]}, and now {here[0]!r} of seed {here[1]}"
            tell(f"{text}: records of both stay, the report is of the latter")


def costs(plan: Plan, root: Path, info: RunInfo, watch: Watch, tell: store.Tell) -> tuple[str, ...]:
    """Names of the files with the cost of each model x method that has records; what is missing is measured."""
    device = device_name(plan.settings.device)
    pairs: dict[tuple[str, str], Cell] = {}
    for cell, result in zip(plan.cells, info.cells, strict=True):
        if result.status == "done":
            pairs.setdefault((cell.model.label, cell.method.label), cell)
    files = {root / store.EFFICIENCY / f"{cost_digest(cell, plan, device)}.json": cell for cell in pairs.values()}
    missing = {file: cell for file, cell in files.items() if not _measured(file, cell, tell)}
    if missing:
        from qbench.runs.costs import measure_all

        with watch([(file,) for file in missing], "costs"):
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
    size = [cell.view.model_dump(), plan.sources[cell.source].whole.name]
    return digest([*parts, *size, plan.settings.threads, library_versions()])
