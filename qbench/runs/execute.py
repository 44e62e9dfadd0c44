"""Running units of work: in this process, or in one process for each device or worker."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qbench import registry
from qbench.compute.cell import Cell, Shard
from qbench.errors import QbenchError, StoreError, described, foreign
from qbench.registry.named import text_of
from qbench.runs import claims, store
from qbench.runs.claims import Runner
from qbench.runs.machine import device_name
from qbench.runs.planned import Plan
from qbench.runs.store import Stored
from qbench.runs.units import Finished, Unit, Verdict
from qbench.runtime import cores, memory_for_networks
from qbench.storage.files import digest, write_text

if TYPE_CHECKING:
    from qbench.compute.bench import Workbench
    from qbench.compute.predict import Columns
    from qbench.compute.shard import Outcome


SEMAPHORES = 32
"""More than what processes share needs."""
MOST_MODELS = 8
"""Of one unit: models that no waiting unit needs can leave the device."""


@dataclass(frozen=True)
class Job:
    """A plan, the run's folder, and who computes it for which store. `token` tells it from others, so that a process
    builds its bench once."""

    plan: Plan
    run: Path
    runner: Runner
    token: str
    processes: int = 1
    """How many share the machine's memory."""

    def on(self, device: str, processes: int) -> Job:
        """The same job for one of so many processes, on a device."""
        plan = replace(self.plan, settings=replace(self.plan.settings, device=device))
        return replace(self, plan=plan, token=f"{self.token} {device} {processes}", processes=processes)


def job(plan: Plan, run: Path, runner: Runner) -> Job:
    return Job(
        plan, run, runner, digest([str(run), [cell.key for cell in plan.cells], id(plan.live) if plan.live else 0])
    )


def feeders_for(plan: Plan, workers: int, asked: int | None) -> int:
    """How many feeders each worker has: as `asked`, else on an accelerator its share of the cores, and on a CPU none.

    Raises QbenchError where some are asked for and no other process can prepare the pictures."""
    if asked and plan.own_pictures:
        raise QbenchError(plan.own_pictures)
    if asked is not None:
        return asked
    if plan.own_pictures or plan.settings.device == "cpu":
        return 0
    return max(1, cores() // (workers * len(plan.devices)))


def can_share(tell: store.Tell) -> bool:
    """Whether the system has room for what processes share; if not it is told."""
    try:
        with foreign("this system has no semaphores to share among processes (is /dev/shm full or read-only?)"):
            from multiprocessing import Lock

            _ = [Lock() for _ in range(SEMAPHORES)]
    except QbenchError as error:
        tell(f"{error.message}; one process does all the work")
        return False
    return True


def execute(todo: Job, units: Sequence[Unit], workers: int, feeders: int, tell: store.Tell) -> Iterator[Finished]:
    """Do the units; the files of a unit are in place as soon as it is through. Yields what came of each.

    Each device of the plan has so many `workers`, which take units from one list, and each of these so many `feeders`:
    processes that prepare its pictures. Without feeders a worker prepares them itself. A single worker is this process;
    so it is where networks are live. The records are the same."""
    units = by_models(todo.plan, units)
    devices = [device for device in todo.plan.devices for _ in range(workers)][: len(units)]
    devices = devices[:1] if todo.plan.live else devices
    if (len(devices) > 1 or feeders) and not can_share(tell):
        devices, feeders = devices[:1], 0
    if len(devices) <= 1:
        yield from compute(todo, units, feeders)
        return
    from qbench.runs.processes import spread

    yield from spread(todo, units, devices, feeders)


def by_models(plan: Plan, units: Sequence[Unit]) -> list[Unit]:
    """The same work in units of at most MOST_MODELS models: all of the first models first."""
    models = {name: number for number, name in enumerate(dict.fromkeys(text_of(cell.model) for cell in plan.cells))}
    groups: dict[int, list[Unit]] = {}
    for unit in units:
        cells: dict[int, list[int]] = {}
        for i in unit.cells:
            cells.setdefault(models[text_of(plan.cells[i].model)] // MOST_MODELS, []).append(i)
        for group, numbers in cells.items():
            groups.setdefault(group, []).append(replace(unit, cells=tuple(numbers)))
    return [unit for _, group in sorted(groups.items()) for unit in group]


def compute(todo: Job, units: Iterable[Unit], feeders: int) -> Iterator[Finished]:
    """The units in this process, each taken when its turn comes; with feeders some time before."""
    if feeders < 1:
        for unit in units:
            yield work(todo, unit)
        return
    from qbench.runs.feeders import stream

    yield from stream(todo, units, feeders)


def work(todo: Job, unit: Unit) -> Finished:
    """One unit in this process."""
    from qbench.compute.shard import run_shard

    with claims.held(todo.runner, todo.plan, unit) as held:
        cells = [todo.plan.cells[i] for i in held]
        outcomes = run_shard(cells, unit.shard, todo.plan.settings, bench_of(todo)) if held else ()
        return finished(todo, unit, held, outcomes)


def finished(todo: Job, unit: Unit, held: Sequence[int], outcomes: Iterable[Outcome]) -> Finished:
    """Store what came of the cells of a unit that this run held. A cell that fails leaves its traceback under
    `errors/`; the others go on."""
    numbers: dict[str, list[int]] = {}
    for i in held:
        numbers.setdefault(todo.plan.cells[i].key, []).append(i)
    stored: dict[int, Stored] = {}
    verdicts: list[Verdict] = []
    for outcome in outcomes:
        same, error = numbers[outcome.cell.key], outcome.error
        if outcome.columns is not None:
            try:
                stored |= dict.fromkeys(same, _stored(todo, unit.shard, outcome.cell, outcome.columns))
            except StoreError:
                raise
            except QbenchError as refused:
                error = refused
        elif outcome.not_applicable:
            store.write_not_applicable(todo.runner.store, outcome.cell.key, outcome.not_applicable)
            verdicts += [Verdict(i, "n/a", outcome.not_applicable) for i in same]
        if error is not None:
            reason = _failure(todo.run, outcome.cell, error)
            verdicts += [Verdict(i, "failed", reason) for i in same]
    return Finished(unit.shard.name, stored, verdicts, tuple(i for i in unit.cells if i not in held))


def _stored(todo: Job, shard: Shard, cell: Cell, columns: Columns) -> Stored:
    table = store.table_of(columns)
    by = (device_name(todo.plan.settings.device),)
    return store.write_records(todo.runner.store, cell.key, shard, table, by, cell.parts)


_benches: dict[str, Workbench] = {}
"""The bench of this process's job, by the job's token; one at a time."""


def bench_of(todo: Job) -> Workbench:
    """The objects that the plan's cells name, built once in this process, whatever unit asks first."""
    from qbench.compute.bench import Workbench

    if todo.token not in _benches:
        plan = todo.plan
        registry.load_plugins(plan.plugins, plan.plugin_files)
        _benches.clear()
        most = memory_for_networks(plan.settings.device, todo.processes)
        _benches[todo.token] = Workbench(plan.sources, plan.settings.device, plan.live, most)
    return _benches[todo.token]


def _failure(run: Path, cell: Cell, error: BaseException) -> str:
    text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    write_text(run / "errors" / f"{cell.key}.txt", text)
    return described(error)
