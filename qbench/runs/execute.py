"""Running units of work on as many workers as asked for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qbench import registry
from qbench.compute.cell import Cell, Shard
from qbench.errors import QbenchError, StoreError, described, foreign
from qbench.runs import claims, store
from qbench.runs.claims import Runner
from qbench.runs.machine import device_name
from qbench.runs.planned import Plan
from qbench.runs.store import Stored
from qbench.runs.units import Finished, Unit, Verdict
from qbench.runtime import keep_freed_memory, safe_path
from qbench.storage.files import digest, write_text

if TYPE_CHECKING:
    from qbench.compute.bench import Workbench
    from qbench.compute.predict import Columns


SEMAPHORES = 32
"""More than a pool of processes needs."""


@dataclass(frozen=True)
class Job:
    """A plan, the run's folder, and who computes it for which store. `token` tells it from other jobs, so that a worker
    builds its bench once."""

    plan: Plan
    run: Path
    runner: Runner
    token: str


def job(plan: Plan, run: Path, runner: Runner) -> Job:
    return Job(
        plan, run, runner, digest([str(run), [cell.key for cell in plan.cells], id(plan.live) if plan.live else 0])
    )


def possible(workers: int, tell: store.Tell) -> int:
    """As many workers as asked for; one, which is told, where the system has no room for what processes share."""
    if workers <= 1:
        return workers
    try:
        with foreign("this system has no semaphores to share among processes (is /dev/shm full or read-only?)"):
            from multiprocessing import Lock

            _ = [Lock() for _ in range(SEMAPHORES)]
    except QbenchError as error:
        tell(f"{error.message}; one worker does the work of {workers}")
        return 1
    return workers


def execute(todo: Job, units: Sequence[Unit], workers: int) -> Iterator[Finished]:
    """Do the units; every file is in place as soon as its cell is whole on its shard. Yields what came of each.

    One worker runs in this process, several in processes of joblib's loky; the records are the same."""
    if workers <= 1 or len(units) <= 1 or todo.plan.live:
        for unit in units:
            yield work(todo, unit)
        return
    from joblib import Parallel, delayed, parallel_config

    threads = todo.plan.settings.threads
    with safe_path(), parallel_config(backend="loky", inner_max_num_threads=threads):
        parallel = Parallel(
            n_jobs=min(workers, len(units)), return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs"
        )
        yield from parallel(delayed(_in_worker)(todo, unit) for unit in units)


def _in_worker(todo: Job, unit: Unit) -> Finished:
    keep_freed_memory()
    return work(todo, unit)


def work(todo: Job, unit: Unit) -> Finished:
    """One unit, in whatever process. A cell that fails leaves its traceback under `errors/`; the others go on."""
    with claims.held(todo.runner, todo.plan, unit) as held:
        stored, verdicts = _computed(todo, replace(unit, cells=held)) if held else ({}, [])
    left = tuple(number for number in unit.cells if number not in held)
    return Finished(unit.shard.name, stored, verdicts, left)


def _computed(todo: Job, unit: Unit) -> tuple[dict[int, Stored], list[Verdict]]:
    from qbench.compute.shard import run_shard

    numbers = {todo.plan.cells[i].key: i for i in unit.cells}
    stored: dict[int, Stored] = {}
    verdicts = []
    cells = [todo.plan.cells[i] for i in unit.cells]
    for outcome in run_shard(cells, unit.shard, todo.plan.settings, bench_of(todo)):
        number, error = numbers[outcome.cell.key], outcome.error
        if outcome.columns is not None:
            try:
                stored[number] = _stored(todo, unit.shard, outcome.cell, outcome.columns)
            except StoreError:
                raise
            except QbenchError as refused:
                error = refused
        elif outcome.not_applicable:
            store.write_not_applicable(todo.runner.store, outcome.cell.key, outcome.not_applicable)
            verdicts.append(Verdict(number, "n/a", outcome.not_applicable))
        if error is not None:
            verdicts.append(Verdict(number, "failed", _failure(todo.run, outcome.cell, error)))
    return stored, verdicts


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
        registry.load_plugins(todo.plan.plugins, todo.plan.plugin_files)
        _benches.clear()
        _benches[todo.token] = Workbench(todo.plan.sources, todo.plan.settings.device, todo.plan.live)
    return _benches[todo.token]


def _failure(run: Path, cell: Cell, error: BaseException) -> str:
    text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    write_text(run / "errors" / f"{cell.key}.txt", text)
    return described(error)
