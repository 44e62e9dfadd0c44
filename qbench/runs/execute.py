"""Running a plan: what is missing, in units of one shard, on as many workers as asked for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.compute.cell import Cell, Plan, Shard
from qbench.errors import QbenchError, StoreError
from qbench.runs import store
from qbench.runs.run_info import Status
from qbench.runtime import keep_freed_memory
from qbench.storage.files import digest, write_text

if TYPE_CHECKING:
    from qbench.compute.bench import Workbench


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


@dataclass(frozen=True, eq=False)
class Job:
    """A plan with the folder of its store; equal to any job of the same digest, so that a worker keeps one bench."""

    plan: Plan
    run: Path
    token: str

    def __hash__(self) -> int:
        return hash(self.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.token == self.token


def job(plan: Plan, run: Path) -> Job:
    return Job(plan, run, digest([str(run), [cell.key for cell in plan.cells], id(plan.live) if plan.live else 0]))


def known_verdicts(plan: Plan, run: Path) -> list[Verdict]:
    """Cells that are `n/a` before anything is computed: no weights, or found so by an earlier run."""
    found = []
    for number, cell in enumerate(plan.cells):
        reason = cell.not_applicable or store.not_applicable(run, cell.key)
        if reason:
            found.append(Verdict(number, "n/a", reason))
    return found


def missing_units(plan: Plan, run: Path) -> list[Unit]:
    """The work that the store lacks, shard by shard, so that early shards are whole first. Raises StoreError."""
    store.check(run)
    skip = {verdict.cell for verdict in known_verdicts(plan, run)}
    units = []
    for number, source in enumerate(plan.sources):
        own = [i for i, cell in enumerate(plan.cells) if cell.source == number and i not in skip]
        for shard in source.shards:
            lacking = tuple(i for i in own if not store.is_whole(store.shard_file(run, plan.cells[i].key, shard.name)))
            if lacking:
                units.append(Unit(number, shard, lacking))
    return units


def unit_files(plan: Plan, run: Path, units: Sequence[Unit]) -> list[Path]:
    """The files that `units` will write."""
    return [store.shard_file(run, plan.cells[i].key, unit.shard.name) for unit in units for i in unit.cells]


def execute(todo: Job, units: Sequence[Unit], workers: int) -> Iterator[Verdict]:
    """Do the units; every file is in place as soon as its cell is whole on its shard. Yields what has no records.

    One worker runs in this process, several in processes of joblib's loky; the records are the same."""
    if workers <= 1 or len(units) <= 1 or todo.plan.live:
        for unit in units:
            yield from work(todo, unit)
        return
    from joblib import Parallel, delayed, parallel_config

    threads = todo.plan.settings.threads
    with parallel_config(backend="loky", inner_max_num_threads=threads):
        parallel = Parallel(
            n_jobs=min(workers, len(units)), return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs"
        )
        for verdicts in parallel(delayed(_in_worker)(todo, unit) for unit in units):
            yield from verdicts


def _in_worker(todo: Job, unit: Unit) -> list[Verdict]:
    keep_freed_memory()
    return work(todo, unit)


def work(todo: Job, unit: Unit) -> list[Verdict]:
    """One unit, in whatever process. A cell that fails leaves its traceback under `errors/`; the others go on."""
    from qbench.compute.pipeline import run_shard
    from qbench.runtime import fixed_threads

    numbers = {todo.plan.cells[i].key: i for i in unit.cells}
    verdicts = []
    with fixed_threads(todo.plan.settings.threads):
        cells = [todo.plan.cells[i] for i in unit.cells]
        for outcome in run_shard(cells, unit.shard, todo.plan.settings, _bench(todo)):
            key = outcome.cell.key
            if outcome.columns is not None:
                store.write_records(store.shard_file(todo.run, key, unit.shard.name), outcome.columns)
            elif outcome.not_applicable:
                store.write_not_applicable(todo.run, key, outcome.not_applicable)
                verdicts.append(Verdict(numbers[key], "n/a", outcome.not_applicable))
            elif outcome.error is not None:
                verdicts.append(Verdict(numbers[key], "failed", _failure(todo.run, outcome.cell, outcome.error)))
    return verdicts


@lru_cache(maxsize=1)
def _bench(todo: Job) -> Workbench:
    from qbench.compute.bench import Workbench

    return Workbench(todo.plan)


def _failure(run: Path, cell: Cell, error: BaseException) -> str:
    if isinstance(error, StoreError):
        raise error
    text = "".join(traceback.format_exception(error))
    write_text(run / "errors" / f"{cell.key}.txt", text)
    return error.message if isinstance(error, QbenchError) else f"{type(error).__name__}: {error}"


def over_limit(plan: Plan, run: Path, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Cells of the sources in which more samples are unreadable than `max_bad` allows; they count as failed.

    The samples of a source are the same in all of its cells, so that one of them tells."""
    without = {verdict.cell for verdict in verdicts}
    found = []
    for number, source in enumerate(plan.sources):
        own = [i for i, cell in enumerate(plan.cells) if cell.source == number and i not in without]
        if not own:
            continue
        key = plan.cells[own[0]].key
        errors = [e for shard in source.shards for e in store.read_errors(store.shard_file(run, key, shard.name))]
        bad = sum(1 for error in errors if error)
        if bad > plan.max_bad * source.samples:
            first = next(error for error in errors if error)
            share = f"{bad} of {source.samples} samples cannot be read, more than max_bad {plan.max_bad:g} allows"
            found += [Verdict(i, "failed", f"{share}; first: {first}") for i in own]
    return found
