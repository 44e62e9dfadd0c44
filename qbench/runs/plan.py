"""A suite to a plan: names to objects, lists to cells, everything that decides a result to keys."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qbench import registry
from qbench.compute.cell import Cell, Settings, Shard, Source
from qbench.documents.faults import validated
from qbench.documents.load import Document, load_suite_document
from qbench.errors import DataError, KeyPath, QbenchError, SuiteError, below, foreign
from qbench.keys.cells import Part
from qbench.models.live_names import live_name
from qbench.registry.named import Named
from qbench.runs import machine
from qbench.runs.cells import dataset_item, make_cell, told_of
from qbench.runs.parts import cells_of, check_reach, pictures_out_of_reach, task_parts
from qbench.runs.planned import Plan, Told
from qbench.runs.selection import patterns_of, selected
from qbench.storage.files import digest
from qbench.suite.checks import check_controls, train_seeds
from qbench.suite.published import published_tables
from qbench.suite.schema import BY_CLASS, EngineSpec, Suite, TaskSpec
from qbench.vocabulary import Manifest

MOST_CELLS = 20_000
"""Of one suite; the largest that ships has 240."""
FEWEST_SAMPLES, MOST_SHARDS = 32, 128
"""Of a shard and of a dataset, where the suite does not say how many samples a shard has."""


@dataclass(frozen=True)
class Options:
    """What the command line adds to a suite."""

    limit: int | None = None
    only: tuple[str, ...] = ()
    device: str | Sequence[str] = "auto"
    """One, or several of a kind, also in one text with commas."""
    plugin_files: tuple[Path, ...] = ()
    live: Mapping[str, Any] = field(default_factory=dict)
    one_process: bool = True
    """Whether the cells are computed by this process, or by others that do not know what it declared itself."""


def load_suite(file: Path) -> tuple[Suite, Document]:
    """A suite file, validated as far as its schema goes. Raises SuiteError with the place of the fault."""
    document = load_suite_document(file)
    return validated(Suite, document), document


def make_plan(suite: Suite, document: Document, options: Options) -> Plan:
    """Expand a suite into cells with keys. Reads manifests and weights' digests; loads no torch.

    Raises SuiteError (with place) for names, parameters and files that do not hold."""
    with document.at(("plugins",)):
        registry.load_plugins(suite.plugins, ())
    registry.load_plugins((), options.plugin_files)
    if options.limit is not None and options.limit < 1:
        raise QbenchError(f"the limit is at least 1 sample of every dataset, not {options.limit}")
    only = patterns_of(options.only)
    with document.at():
        _check_count(suite.tasks)
    devices = resolve_devices(options.device)
    settings = Settings(suite.seed, suite.engine.batch, suite.engine.threads, devices[0])
    sources: list[Source] = []
    notes: list[str] = []
    own_pictures: list[str] = []
    placed: list[tuple[Cell, KeyPath]] = []
    told: dict[tuple[str, ...], Told] = {}
    for number, spec in enumerate(suite.tasks):
        with document.at(("tasks", number)):
            task_cells = list(_task_cells(spec, suite, settings, options, sources, notes, own_pictures, told))
        placed += [(cell, ("tasks", number, *path)) for cell, path in task_cells]
    with document.at():
        _check_unique(placed)
        check_controls(suite, (cell.method.label for cell, _ in placed))
        tables_of_papers = published_tables(suite)
    cells = selected([cell for cell, _ in placed], only, suite.suite)
    return Plan(
        suite=suite.suite,
        title=suite.title or suite.suite,
        version=suite.version,
        tables=tuple(suite.tables),
        plugins=tuple(suite.plugins),
        plugin_files=options.plugin_files,
        settings=settings,
        devices=devices,
        max_bad=suite.engine.max_bad,
        sources=tuple(sources),
        cells=tuple(cells),
        told=told,
        live=options.live,
        controls=tuple(suite.controls),
        published=tables_of_papers,
        own_pictures=next(filter(None, own_pictures), ""),
        notes=tuple(dict.fromkeys(notes)),
    )


def resolve_devices(devices: str | Sequence[str]) -> tuple[str, ...]:
    """The devices that a run uses together. Raises QbenchError for what names none, and for several kinds."""
    names = list(devices) if isinstance(devices, list | tuple) else str(devices).split(",")
    resolved = tuple(resolve_device(name) for name in names)
    kinds = dict.fromkeys(name.partition(":")[0] for name in resolved)
    if len(kinds) != 1:
        raise QbenchError(f"--device takes devices of one kind, not {', '.join(map(str, names)) or 'none'}")
    return resolved


def resolve_device(device: str) -> str:
    """`auto` is `cuda` where an NVIDIA driver is loaded, else `cpu`; torch is not imported to find out. A plan may name
    a device that another machine has.

    Raises QbenchError for what names none."""
    device = str(device)
    if device == "auto":
        return "cuda" if Path("/proc/driver/nvidia/version").exists() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d{1,4})?", device):
        here = ", ".join(machine.devices())
        raise QbenchError(f"--device takes auto, cpu, cuda, cuda:N or mps, not {device!r}; this machine has {here}")
    return device


def _task_cells(
    spec: TaskSpec, suite: Suite, settings: Settings, options: Options, sources: list[Source], notes: list[str],
    own_pictures: list[str], told: dict[tuple[str, ...], Told],
) -> Iterator[tuple[Cell, KeyPath]]:  # fmt: skip
    """The cells of a task, and where in the task the method of each stands."""
    parts = task_parts(spec, options.live)
    if not options.one_process:
        check_reach(parts, suite.plugins)
    own_pictures.append(pictures_out_of_reach(parts, suite.plugins))
    for dataset in parts.datasets:
        source, said = _source(dataset, suite, options.limit)
        sources.append(source)
        notes += said
        for condition, model, method in itertools.product(parts.conditions, parts.models, parts.methods):
            with below(*method.path):
                seeds = train_seeds(spec, method.named)
            seeds = seeds if method.entry.facts["trained"] else seeds[:1]
            for train_seed in seeds:
                cell = make_cell(parts, dataset, condition, model, method, train_seed, spec.view, settings, sources)
                told[cell.in_tables] = told_of(
                    cell, parts, dataset, condition, model, method, settings.seed, source.whole.name
                )
                yield cell, method.path


def _source(dataset: Part, suite: Suite, limit: int | None) -> tuple[Source, Sequence[str]]:
    """The samples of a dataset, sliced, and what a user should know of how they were read."""
    with below(*dataset.path):
        with foreign(f"dataset {dataset.named.name!r} cannot be listed", DataError):
            manifest: Manifest = dataset.target.manifest()
        classes = getattr(dataset.target, "classes", ()) if BY_CLASS in suite.tables else ()
    count = len(manifest.ids) if limit is None else min(limit, len(manifest.ids))
    rows = list(zip(manifest.ids, manifest.digests, strict=True))[:count]
    size = shard_size(suite.engine, count)
    shards = tuple(shard_of(i, rows[i : i + size]) for i in range(0, count, size))
    whole = shards[0] if len(shards) == 1 else shard_of(0, rows)
    notes = [f"dataset {dataset.label}: {note}" for note in manifest.notes]
    item = dataset_item(dataset)
    return Source(dataset=item, samples=count, whole=whole, shards=shards, classes=tuple(classes)), notes


def shard_size(engine: EngineSpec, samples: int) -> int:
    """Samples of a shard: a whole number of batches, so that no batch reaches over its end. Where the suite names none,
    it is such that a dataset has 128 shards at most, of 32 samples at least."""
    wanted = engine.shard or max(FEWEST_SAMPLES, math.ceil(samples / MOST_SHARDS))
    return math.ceil(wanted / engine.batch) * engine.batch


def shard_of(start: int, rows: Sequence[tuple[str, str]]) -> Shard:
    """The slice that starts there, from the ids of its samples and the digests of what they hold."""
    ids = digest([sample for sample, _ in rows])
    return Shard(start=start, stop=start + len(rows), name=f"{start:06d}-{digest(rows)[:16]}", ids=ids)


def _check_count(tasks: Sequence[TaskSpec]) -> None:
    """Raise SuiteError, before anything is built, where lists of lists make more cells than can be planned."""
    count = 0
    for number, spec in enumerate(tasks):
        with below("tasks", number):
            count += cells_of(spec)
        if count > MOST_CELLS:
            text = f"the lists of the suite make {count:,} cells; at most {MOST_CELLS:,} are taken: make several suites"
            raise SuiteError(text, path=("tasks", number))


def _check_unique(cells: Iterable[tuple[Cell, KeyPath]]) -> None:
    """Raise SuiteError where two cells would stand in the same place of a table."""
    seen = set()
    for cell, path in cells:
        if cell.in_tables in seen:
            text = f"two cells are both named {' / '.join(cell.in_tables)}; give one of them its own `label`"
            raise SuiteError(text, path=path)
        seen.add(cell.in_tables)


def with_live(suite: Suite, models: Sequence[str]) -> Suite:
    """`suite` with models that were given as objects, by their own names, added to every task."""
    tasks = []
    for spec in suite.tasks:
        extra = [Named(name=live_name(name, spec.task), label=name) for name in models]
        tasks.append(spec.model_copy(update={"models": [*spec.models, *extra]}))
    return suite.model_copy(update={"tasks": tasks})
