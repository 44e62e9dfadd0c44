"""One run from plan to `run.json`: compute what is missing, measure costs, write down what came of each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from qbench.compute.cell import Cell
from qbench.errors import StoreError
from qbench.keys.versions import library_versions
from qbench.runs import execute, store
from qbench.runs.cost_record import read_costs
from qbench.runs.machine import device_name
from qbench.runs.planned import Plan
from qbench.runs.run_info import CellResult, RunInfo
from qbench.storage.files import digest, write_text

Watch = Callable[[Sequence[Path], str], AbstractContextManager[None]]
"""Shows progress while the given files come into being, and what they are."""


def _unwatched(_files: Sequence[Path], _what: str) -> AbstractContextManager[None]:
    return nullcontext()


def run_plan(plan: Plan, run: Path, *, workers: int, command: str, watch: Watch = _unwatched) -> RunInfo:
    """Compute what the store under `run` lacks of the plan, then write `run.json`.

    Raises StoreError where the disk refuses. After a kill or Ctrl-C the same call continues."""
    units = execute.missing_units(plan, run)
    store.create(run)
    todo = execute.job(plan, run)
    files = execute.unit_files(plan, run, units)
    with watch(files, "records"):
        verdicts = list(execute.execute(todo, units, workers))
    verdicts = [*execute.known_verdicts(plan, run), *verdicts]
    verdicts += execute.over_limit(plan, run, verdicts)
    info = describe(plan, command, verdicts)
    info = info.model_copy(update={"computed_by": computed_by(plan, run, info)})
    if "efficiency" in plan.tables:
        info = info.model_copy(update={"costs": costs(plan, run, info, watch)})
    write_text(run / "run.json", info.model_dump_json(indent=1))
    return info


def computed_by(plan: Plan, run: Path, info: RunInfo) -> tuple[str, ...]:
    """The processors and GPUs that computed the records of the finished cells, as the records' files say."""
    files = {
        store.shard_file(run, result.cell.key, shard.name)
        for result in info.cells
        if result.status == "done"
        for shard in plan.sources[result.cell.source].shards
    }
    return tuple(sorted(set(map(store.computed_by, files))))


def costs(plan: Plan, run: Path, info: RunInfo, watch: Watch = _unwatched) -> tuple[str, ...]:
    """Names of the files with the cost of each model x method that has records; what is missing is measured."""
    device = device_name(plan.settings.device)
    pairs: dict[tuple[str, str], Cell] = {}
    for cell, result in zip(plan.cells, info.cells, strict=True):
        if result.status == "done":
            pairs.setdefault((cell.model.label, cell.method.label), cell)
    files = {run / "efficiency" / f"{cost_digest(cell, plan, device)}.json": cell for cell in pairs.values()}
    missing = {file: cell for file, cell in files.items() if not _whole(file)}
    if missing:
        from qbench.runs.costs import measure_all

        with watch(list(missing), "costs"):
            measure_all(plan, missing, device)
    return tuple(sorted(file.name for file in files))


def _whole(file: Path) -> bool:
    try:
        return bool(read_costs(file))
    except StoreError:
        return False


def cost_digest(cell: Cell, plan: Plan, device: str) -> str:
    """Digest of all that decides the cost of a cell's model and method."""
    parts = [cell.cost, cell.model.label, cell.method.label, device]
    size = [cell.view.model_dump(), plan.sources[cell.source].shards[0].name]
    return digest([*parts, *size, plan.settings.threads, library_versions()])


def describe(plan: Plan, command: str, verdicts: Sequence[execute.Verdict]) -> RunInfo:
    """The run's `run.json`."""
    why = {verdict.cell: verdict for verdict in reversed(verdicts)}
    cells = tuple(
        CellResult(cell=cell, status=why[number].status, reason=why[number].reason)
        if number in why
        else CellResult(cell=cell, status="done")
        for number, cell in enumerate(plan.cells)
    )
    return RunInfo(
        suite=plan.suite,
        title=plan.title,
        version=plan.version,
        seed=plan.settings.seed,
        command=command,
        tables=plan.tables,
        controls=plan.controls,
        published=plan.published,
        sources=plan.sources,
        cells=cells,
        environment=environment(plan),
    )


def environment(plan: Plan) -> dict[str, str | int]:
    """Versions, device and settings: the provenance of the numbers."""
    settings = plan.settings
    return {
        **library_versions(),
        "device": device_name(settings.device),
        "threads": settings.threads,
        "batch": settings.batch,
    }
