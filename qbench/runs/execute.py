"""Running a plan: what is missing, in units of one shard, on as many workers as asked for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qbench import registry
from qbench.compute.cell import Cell, Shard
from qbench.errors import StoreError, described
from qbench.registry.named import text_of
from qbench.runs import store
from qbench.runs.machine import device_name
from qbench.runs.planned import Plan
from qbench.runs.run_info import Status
from qbench.runtime import keep_freed_memory, safe_path
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


@dataclass(frozen=True)
class Job:
    """A plan with the folder of its store. `token` tells it from other jobs, so that a worker builds its bench once."""

    plan: Plan
    run: Path
    token: str


def job(plan: Plan, run: Path) -> Job:
    return Job(plan, run, digest([str(run), [cell.key for cell in plan.cells], id(plan.live) if plan.live else 0]))


def known_verdicts(plan: Plan, run: Path) -> list[Verdict]:
    """Cells that are `n/a` before anything is computed: no weights, or found so by an earlier run."""
    verdicts = []
    for number, cell in enumerate(plan.cells):
        reason = cell.not_applicable or store.not_applicable(run, cell.key)
        if reason:
            verdicts.append(Verdict(number, "n/a", reason))
    return verdicts


def missing_units(plan: Plan, run: Path) -> list[Unit]:
    """The work that the store lacks, shard by shard, so that early shards are whole first. Raises StoreError."""
    store.check(run)
    skip = {verdict.cell for verdict in known_verdicts(plan, run)}
    units = []
    for number, source in enumerate(plan.sources):
        numbers = [i for i, cell in enumerate(plan.cells) if cell.source == number and i not in skip]
        for shard in source.shards:
            lacking = tuple(
                i for i in numbers if not store.is_whole(store.shard_file(run, plan.cells[i].key, shard.name))
            )
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
    with safe_path(), parallel_config(backend="loky", inner_max_num_threads=threads):
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
    from qbench.compute.shard import run_shard

    numbers = {todo.plan.cells[i].key: i for i in unit.cells}
    verdicts = []
    cells = [todo.plan.cells[i] for i in unit.cells]
    for outcome in run_shard(cells, unit.shard, todo.plan.settings, bench_of(todo)):
        key = outcome.cell.key
        if outcome.columns is not None:
            file = store.shard_file(todo.run, key, unit.shard.name)
            store.write_records(file, outcome.columns, device_name(todo.plan.settings.device))
        elif outcome.not_applicable:
            store.write_not_applicable(todo.run, key, outcome.not_applicable)
            verdicts.append(Verdict(numbers[key], "n/a", outcome.not_applicable))
        elif outcome.error is not None:
            verdicts.append(Verdict(numbers[key], "failed", _failure(todo.run, outcome.cell, outcome.error)))
    return verdicts


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
    if isinstance(error, StoreError):
        raise error
    text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    write_text(run / "errors" / f"{cell.key}.txt", text)
    return described(error)


def over_limit(plan: Plan, run: Path, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Cells with more unusable samples than `max_bad` allows; they count as failed.

    Cells of one source, view, condition and model have the same samples, so that one of them tells."""
    without = {verdict.cell for verdict in verdicts}
    alike: dict[tuple[int, str, str, str], list[int]] = {}
    for number, cell in enumerate(plan.cells):
        if number not in without:
            key = cell.source, cell.view.label, text_of(cell.condition), text_of(cell.model)
            alike.setdefault(key, []).append(number)
    return [verdict for numbers in alike.values() for verdict in _over_limit(plan, run, numbers)]


def _over_limit(plan: Plan, run: Path, numbers: Sequence[int]) -> list[Verdict]:
    cell = plan.cells[numbers[0]]
    shards = plan.sources[cell.source].shards
    errors = [e for shard in shards for e in store.read_errors(store.shard_file(run, cell.key, shard.name)) if e]
    if len(errors) <= plan.max_bad * cell.samples:
        return []
    share = f"{len(errors)} of {cell.samples} samples cannot be used, more than max_bad {plan.max_bad:g} allows"
    return [Verdict(number, "failed", f"{share}; first: {errors[0]}") for number in numbers]
