"""A suite to a plan: names to objects, lists to cells, everything that decides a result to keys."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from qbench import cards, files, registry
from qbench.engine import fingerprints
from qbench.engine.cells import Cell, Plan, Settings, Shard, Source
from qbench.engine.keys import Part, cell_code, code_of, identity_of, libraries_of, method_facts, metric_facts
from qbench.errors import QbenchError, SuiteError, nearest
from qbench.named import Named
from qbench.published import published_tables
from qbench.suite.compared import check_controls, train_seeds
from qbench.suite.construct import construct, entry_of, expanded, in_tables
from qbench.suite.load import Document, KeyPath, load_suite_document, validated
from qbench.suite.schema import BY_CLASS, Suite, TaskSpec

ONLY_KEYS = ("task", "dataset", "condition", "model", "method")


@dataclass(frozen=True)
class Options:
    """What the command line adds to a suite."""

    limit: int | None = None
    only: tuple[str, ...] = ()
    device: str = "auto"
    plugin_files: tuple[Path, ...] = ()
    live: Mapping[str, Any] = field(default_factory=dict)


def load_suite(file: Path) -> tuple[Suite, Document]:
    """A suite file, validated as far as its schema goes. Raises SuiteError with the place of the fault."""
    document = load_suite_document(file)
    return validated(Suite, document), document


def make_plan(suite: Suite, document: Document, options: Options) -> Plan:
    """Expand a suite into cells with keys. Reads manifests and weights' digests; loads no torch.

    Raises SuiteError (with place) for names, parameters and files that do not hold."""
    try:
        registry.load_plugins(suite.plugins, options.plugin_files)
    except QbenchError as error:
        raise SuiteError(error.message, place=document.place(("plugins",))) from None
    only = _only(options.only)
    settings = Settings(suite.seed, suite.engine.batch, suite.engine.threads, resolve_device(options.device))
    sources: list[Source] = []
    cells: list[Cell] = []
    for number, spec in enumerate(suite.tasks):
        cells += _task_cells(spec, ("tasks", number), document, suite, settings, options, sources)
    check_controls(suite, (cell.method_label for cell in cells), document)
    cells = [cell for cell in cells if all(fnmatchcase(_facet(cell, key), value) for key, value in only)]
    if not cells:
        raise QbenchError(f"--only {' '.join(options.only)} leaves no cell of suite {suite.suite!r}")
    _check_unique(cells)
    return Plan(
        suite.suite, suite.title or suite.suite, suite.version, tuple(suite.tables), tuple(suite.plugins),
        options.plugin_files, settings, suite.engine.max_bad, tuple(sources), tuple(cells), options.live,
        tuple(suite.controls), published_tables(suite, document),
    )  # fmt: skip


def resolve_device(device: str) -> str:
    """`auto` is `cuda` where an NVIDIA driver is loaded, else `cpu`; torch is not imported to find out."""
    if device == "auto":
        return "cuda" if Path("/proc/driver/nvidia/version").exists() else "cpu"
    if device.split(":")[0] not in {"cpu", "cuda", "mps"}:
        raise QbenchError(f"--device takes auto, cpu, cuda or mps, not {device!r}")
    return device


def _only(texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in ONLY_KEYS:
            raise QbenchError(f"--only takes KEY=PATTERN with a key of {', '.join(ONLY_KEYS)}, not {text!r}"
                              f"{nearest(key, ONLY_KEYS)}")  # fmt: skip
        pairs.append((key, value))
    return pairs


def _facet(cell: Cell, key: str) -> str:
    return {"task": cell.task, "dataset": cell.dataset, "condition": cell.condition_label,
            "model": cell.model_label, "method": cell.method_label}[key]  # fmt: skip


def _task_cells(
    spec: TaskSpec, path: KeyPath, document: Document, suite: Suite, settings: Settings, options: Options,
    sources: list[Source],
) -> Iterator[Cell]:  # fmt: skip
    task = entry_of("task", Named(name=spec.task), (*path, "task"), document)
    datasets = _fan_out("dataset", spec.dataset, (*path, "dataset"), document)
    models = _parts("model", spec.models, (*path, "models"), document, options.live)
    conditions = [
        part
        for i, named in enumerate(spec.conditions)
        for part in _fan_out("condition", named, (*path, "conditions", i), document)
    ]
    methods = _parts("method", spec.methods, (*path, "methods"), document, options.live)
    metrics = _metrics(task, spec, path, document)
    for dataset in datasets:
        source = _source(dataset, suite, options.limit, document)
        sources.append(source)
        for condition, model, method in itertools.product(conditions, models, methods):
            seeds = train_seeds(spec, method.named, method.path, document)
            seeds = seeds if method.entry.facts["trained"] else seeds[:1]
            for train_seed in seeds:
                yield _cell(
                    task, dataset, spec, condition, model, method, metrics, train_seed, settings, len(sources) - 1,
                    document,
                )  # fmt: skip


def _metrics(task: registry.Entry, spec: TaskSpec, path: KeyPath, document: Document) -> list[Part]:
    """What the suite asks for, else what the task shows. Raises SuiteError for a metric of another task."""
    asked = spec.metrics or [Named(name=name) for name in task.target.shown]
    found = [_part("metric", named, (*path, "metrics", i), document) for i, named in enumerate(asked)]
    names: set[str] = set()
    for part in found:
        if part.entry.facts["task"] != task.name:
            text = f"metric {part.named.name!r} scores {part.entry.facts['task']}, not {task.name}"
            raise SuiteError(text, place=document.place(part.path))
        name = part.named.label or part.named.name
        if name in names and task.target.records_what_is_asked:
            text = f"two metrics are called {name!r}; give one of them a `label`"
            raise SuiteError(text, place=document.place(part.path))
        names.add(name)
    return found


def _parts(
    kind: registry.Kind, items: Sequence[Named], path: KeyPath, document: Document, live: Mapping[str, Any]
) -> list[Part]:
    return [
        Part(named, live[named.name], _live_entry(kind, named, live), named.label or named.name, (*path, i))
        if named.name in live
        else _part(kind, named, (*path, i), document)
        for i, named in enumerate(items)
    ]


def _live_entry(kind: registry.Kind, named: Named, live: Mapping[str, Any]) -> registry.Entry:
    return registry.Entry(kind, named.name, type(live[named.name]), {})


def _part(kind: registry.Kind, named: Named, path: KeyPath, document: Document) -> Part:
    entry = entry_of(kind, named, path, document)
    target = construct(entry, named, path, document)
    return Part(named, target, entry, str(named.label or getattr(target, "label", named.name)), path)


def _fan_out(kind: registry.Kind, named: Named, path: KeyPath, document: Document) -> list[Part]:
    """One object for each combination of the parameters that are given as lists."""
    found = expanded(entry_of(kind, named, path, document), named)
    if not found:
        key = next(key for key, value in named.params.items() if value == [])
        at = (*path, named.name, key) if named.inner else (*path, key)
        raise SuiteError(f"{key!r} is an empty list; expected at least one value", place=document.place(at))
    return [_part(kind, each, path, document) for each in found]


def _source(dataset: Part, suite: Suite, limit: int | None, document: Document) -> Source:
    size = suite.engine.shard
    try:
        manifest = dataset.target.manifest()
        classes = getattr(dataset.target, "classes", ()) if BY_CLASS in suite.tables else ()
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place(dataset.path)) from None
    count = len(manifest.ids) if limit is None else min(limit, len(manifest.ids))
    rows = list(zip(manifest.ids, manifest.digests, strict=True))[:count]
    shards = tuple(
        Shard(i, min(i + size, count), f"{i:06d}-{fingerprints.digest(rows[i : i + size])[:16]}")
        for i in range(0, count, size)
    )
    return Source(dataset.named, count, shards, tuple(classes))


def _cell(
    task: registry.Entry, dataset: Part, spec: TaskSpec, condition: Part, model: Part, method: Part,
    metrics: Sequence[Part], train_seed: int, settings: Settings, source: int, document: Document,
) -> Cell:  # fmt: skip
    weights, sha256, missing = _weights(method, model, dataset, train_seed, document)
    label, axis = in_tables(dataset.target, condition.named, condition.label, condition.target)
    acting = [*method_facts(method, document), sha256]
    identity = [model.named.name, fingerprints.plain(identity_of(model, document))]
    asked = [metric_facts(part, document) for part in metrics]
    key = fingerprints.digest(
        {
            **({"metrics": asked} if task.target.records_what_is_asked else {}),
            "view": spec.view.model_dump(),
            "condition": [condition.named.name, fingerprints.plain(condition.named.params)],
            "model": identity,
            "method": acting,
            "dataset": [dataset.named.name, getattr(dataset.target, "degraded", None)],
            "settings": settings.__dict__,
            "libraries": libraries_of(condition),
            "code": cell_code(task, dataset, condition, model, method),
        }
    )
    return Cell(
        key, task.name, source, dataset.label, spec.view, condition.named, label, axis, model.named, model.label,
        method.named, method.label, method.entry.facts["site"], method.entry.facts["oracle"], train_seed, weights,
        sha256, tuple(part.named for part in metrics), fingerprints.digest([identity, acting, code_of(model, method)]),
        missing,
    )  # fmt: skip


def _weights(
    method: Part, model: Part, dataset: Part, train_seed: int, document: Document
) -> tuple[Path | None, str, str]:
    """The method's weights for this model and dataset: path, sha256, and why there are none."""
    if not method.entry.facts["trained"]:
        return None, "", ""
    given = method.named.params.get("weights")
    if given is not None:
        if not Path(given).is_file():
            raise SuiteError(f"weights {given} do not exist", place=document.place(method.path))
        return Path(given), files.sha256(Path(given)), ""
    model_names = None if method.entry.facts["site"] == "image" else _names(model)
    name, recipe = method.named.name, method.named.params.get("recipe")
    try:
        found = cards.find_weights(name, model_names, _names(dataset), train_seed, recipe)
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place(method.path)) from None
    if found is None:
        return None, "", cards.missing(name, model_names, _names(dataset), train_seed, recipe)
    return found.path, found.sha256, ""


def _names(part: Part) -> tuple[str, ...]:
    """What a card may call it: its registered name, and that with its own label behind a colon (`masks:camvid`)."""
    name, label = part.named.name, str(getattr(part.target, "label", ""))
    special = label if label.startswith(name) else f"{name}:{label}"
    return (name, special) if label else (name,)


def _check_unique(cells: Sequence[Cell]) -> None:
    """Raise SuiteError where two cells would stand in the same place of a table."""
    doubles = [
        names
        for names, n in Counter(
            (c.task, c.dataset, c.view.label, c.condition_label, c.model_label, c.method_label, c.train_seed)
            for c in cells
        ).items()
        if n > 1
    ]
    if doubles:
        raise SuiteError(
            f"two cells are both named {' / '.join(map(str, doubles[0]))}; give one of them its own `label`"
        )


def with_live(suite: Suite, models: Sequence[str]) -> Suite:
    """`suite` with models that were given as objects added to every task."""
    extra = [Named(name=name, label=name.removeprefix("live:")) for name in models]
    return suite.model_copy(
        update={"tasks": [spec.model_copy(update={"models": [*spec.models, *extra]}) for spec in suite.tasks]}
    )
