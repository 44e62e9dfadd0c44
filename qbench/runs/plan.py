"""A suite to a plan: names to objects, lists to cells, everything that decides a result to keys."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from qbench import registry
from qbench.cards import lookup as cards
from qbench.compute.cell import (
    Cell,
    ConditionItem,
    DatasetItem,
    Item,
    MethodItem,
    MetricItem,
    Plan,
    Settings,
    Shard,
    Source,
)
from qbench.data.views import ViewSpec
from qbench.documents.faults import validated
from qbench.documents.load import Document, KeyPath, load_suite_document
from qbench.errors import DataError, QbenchError, SuiteError, WeightsError, nearest
from qbench.keys.cells import (
    Part,
    cell_code,
    code_of,
    condition_facts,
    identity_of,
    libraries_of,
    method_facts,
    metric_facts,
)
from qbench.keys.versions import plain
from qbench.models.files import sha256
from qbench.registry.named import Named
from qbench.runs.parts import TaskParts, check_reach, task_parts
from qbench.storage.files import digest
from qbench.suite.controls import check_controls, train_seeds
from qbench.suite.published import published_tables
from qbench.suite.schema import BY_CLASS, Suite, TaskSpec
from qbench.vocabulary import Manifest

ONLY_KEYS = ("task", "dataset", "condition", "model", "method")


@dataclass(frozen=True)
class Options:
    """What the command line adds to a suite."""

    limit: int | None = None
    only: tuple[str, ...] = ()
    device: str = "auto"
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
    try:
        registry.load_plugins(suite.plugins, ())
    except QbenchError as error:
        raise SuiteError(error.message, place=error.place or document.place(("plugins",))) from error
    registry.load_plugins((), options.plugin_files)
    if options.limit is not None and options.limit < 1:
        raise QbenchError(f"the limit is at least 1 sample of every dataset, not {options.limit}")
    only = _only(options.only)
    settings = Settings(suite.seed, suite.engine.batch, suite.engine.threads, resolve_device(options.device))
    sources: list[Source] = []
    placed: list[tuple[Cell, KeyPath]] = []
    for number, spec in enumerate(suite.tasks):
        placed += _task_cells(spec, ("tasks", number), document, suite, settings, options, sources)
    _check_unique(placed, document)
    cells = [cell for cell, _ in placed]
    check_controls(suite, (cell.method.label for cell in cells), document)
    cells = _chosen(cells, only, suite.suite)
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


def _chosen(cells: Sequence[Cell], only: Sequence[tuple[str, str]], suite: str) -> list[Cell]:
    """The cells that match. Raises QbenchError where none does, with the names that there are."""
    for key, pattern in only:
        there = dict.fromkeys(_facet(cell, key) for cell in cells)
        if not any(fnmatchcase(name, pattern) for name in there):
            names = f"{nearest(pattern, there)}; there are: {', '.join(there)}"
            raise QbenchError(f"--only {key}={pattern}: suite {suite!r} has no such {key}{names}")
    found = [cell for cell in cells if all(fnmatchcase(_facet(cell, key), value) for key, value in only)]
    if not found:
        told = " ".join(f"{key}={pattern}" for key, pattern in only)
        raise QbenchError(f"--only {told} leaves no cell of suite {suite!r}: each fits some, together none")
    return found


def _facet(cell: Cell, key: str) -> str:
    item = getattr(cell, key)
    return item.label if isinstance(item, Item) else item


def _task_cells(
    spec: TaskSpec, path: KeyPath, document: Document, suite: Suite, settings: Settings, options: Options,
    sources: list[Source],
) -> Iterator[tuple[Cell, KeyPath]]:  # fmt: skip
    """The cells of a task, and where the method of each stands."""
    parts = task_parts(spec, path, document, options.live)
    if not options.one_process:
        check_reach(parts, suite.plugins, document)
    for dataset in parts.datasets:
        source = _source(dataset, suite, options.limit, document)
        sources.append(source)
        for condition, model, method in itertools.product(parts.conditions, parts.models, parts.methods):
            seeds = train_seeds(spec, method.named, method.path, document)
            seeds = seeds if method.entry.facts["trained"] else seeds[:1]
            for train_seed in seeds:
                cell = _cell(
                    parts, dataset, condition, model, method, train_seed, spec.view, settings, sources, document
                )
                yield cell, method.path


def _source(dataset: Part, suite: Suite, limit: int | None, document: Document) -> Source:
    size = suite.engine.shard
    try:
        manifest = _manifest(dataset)
        classes = getattr(dataset.target, "classes", ()) if BY_CLASS in suite.tables else ()
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place(dataset.path)) from None
    count = len(manifest.ids) if limit is None else min(limit, len(manifest.ids))
    rows = list(zip(manifest.ids, manifest.digests, strict=True))[:count]
    shards = tuple(
        Shard(start=i, stop=min(i + size, count), name=f"{i:06d}-{digest(rows[i : i + size])[:16]}")
        for i in range(0, count, size)
    )
    item = DatasetItem(**_item(dataset).model_dump(), own_label=dataset.target.label)
    return Source(dataset=item, samples=count, shards=shards, classes=tuple(classes))


def _manifest(dataset: Part) -> Manifest:
    """What the dataset says of its samples. Raises DataError where a plug-in's does not hold."""
    found: Manifest = dataset.target.manifest()
    name = f"dataset {dataset.named.name!r}"
    if not found.ids:
        raise DataError(f"{name} holds no samples")
    if len(found.ids) != len(found.digests):
        raise DataError(f"the manifest of {name} has {len(found.ids)} ids and {len(found.digests)} digests")
    if len(set(found.ids)) < len(found.ids):
        double, times = Counter(found.ids).most_common(1)[0]
        raise DataError(f"{name} names sample {double!r} {times} times; ids must be unique")
    return found


def _cell(
    parts: TaskParts, dataset: Part, condition: Part, model: Part, method: Part, train_seed: int, view: ViewSpec,
    settings: Settings, sources: Sequence[Source], document: Document,
) -> Cell:  # fmt: skip
    weights, sha256, missing = _weights(method, model, dataset, train_seed, document)
    acting = [*method_facts(method, document), sha256]
    identity = [model.named.name, plain(identity_of(model, document))]
    metrics = [metric_facts(part, document) for part in parts.metrics]
    key = digest(
        {
            **({"metrics": metrics} if parts.task.target.records_what_is_asked else {}),
            "view": view.model_dump(),
            "condition": condition_facts(condition),
            "model": identity,
            "method": acting,
            "dataset": [dataset.named.name, getattr(dataset.target, "degraded", None)],
            "settings": settings.__dict__,
            "libraries": libraries_of(condition),
            "code": cell_code(parts.task, dataset, condition, model, method),
        }
    )
    return Cell(
        key=key,
        task=parts.task.name,
        source=len(sources) - 1,
        dataset=sources[-1].dataset,
        view=view,
        condition=_condition_item(dataset, condition),
        model=_item(model),
        method=_method_item(method),
        train_seed=train_seed,
        samples=sources[-1].samples,
        weights=weights,
        weights_sha256=sha256,
        metrics=tuple(_metric_item(part) for part in parts.metrics),
        cost=digest([identity, acting, code_of(model, method)]),
        not_applicable=missing,
    )


def _item(part: Part) -> Item:
    return Item(name=part.named.name, params=plain(part.named.params), label=part.label)


def _method_item(method: Part) -> MethodItem:
    facts = method.entry.facts
    return MethodItem(**_item(method).model_dump(), site=facts["site"], oracle=facts["oracle"])


def _metric_item(metric: Part) -> MetricItem:
    return MetricItem(name=metric.named.name, params=plain(metric.named.params), label=metric.named.label or "")


def _condition_item(dataset: Part, condition: Part) -> ConditionItem:
    """The condition as tables show it; of pictures that are degraded already, with what was done to them before."""
    item, target = _item(condition), condition.target
    label, family, axis = item.label, _family(condition), target.axis
    before = getattr(dataset.target, "degraded", None)
    if before is not None:
        if family == "clean":
            label, family, axis = before
        else:
            label, family = f"{before[0]} → {label}", f"{before[1]} → {family}"
    return ConditionItem(name=item.name, params=item.params, label=label, family=family, axis=axis)


def _family(condition: Part) -> str:
    """What the condition's class says; else its own label without the place on an axis."""
    own = getattr(condition.target, "family", None)
    label = str(condition.target.label)
    return own or (label if "→" in label else re.sub(r"[@×/]-?[\d.]+", "", label))


def _weights(
    method: Part, model: Part, dataset: Part, train_seed: int, document: Document
) -> tuple[Path | None, str, str]:
    """The method's weights for this model and dataset: path, sha256, and why there are none."""
    if not method.entry.facts["trained"]:
        return None, "", ""
    given, recipe = (_text(method, key, document) for key in ("weights", "recipe"))
    name = method.named.name
    model_names = None if method.entry.facts["site"] == "image" else _names(model)
    try:
        if given is not None:
            return Path(given), _digest(Path(given)), ""
        found = cards.find_weights(name, model_names, _names(dataset), train_seed, recipe)
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place(method.path)) from None
    if found is None:
        return None, "", cards.missing(name, model_names, _names(dataset), train_seed, recipe)
    return found.path, found.sha256, ""


def _text(method: Part, key: str, document: Document) -> str | None:
    """What the suite says of a trained method under `key`. Raises SuiteError for anything but text."""
    value = method.named.params.get(key)
    if value is None or isinstance(value, str | Path):
        return None if value is None else str(value)
    at = (*method.path, method.named.name) if method.named.inner else method.path
    raise SuiteError(f"{key!r}: expected text, not {value!r}", place=document.place((*at, key)))


def _digest(weights: Path) -> str:
    cards.check_made(weights)
    if not weights.exists():
        raise WeightsError(f"weights {weights} do not exist")
    return sha256(weights)


def _names(part: Part) -> tuple[str, ...]:
    """What a card may call it: its registered name, and that with its own label behind a colon (`masks:camvid`)."""
    name, label = part.named.name, str(getattr(part.target, "label", ""))
    special = label if label.startswith(name) else f"{name}:{label}"
    return (name, special) if label else (name,)


def _check_unique(cells: Iterable[tuple[Cell, KeyPath]], document: Document) -> None:
    """Raise SuiteError where two cells would stand in the same place of a table."""
    seen = set()
    for cell, path in cells:
        names = (cell.task, cell.dataset.label, cell.view.label, cell.condition.label, cell.model.label,
                 cell.method.label, cell.train_seed)  # fmt: skip
        if names in seen:
            text = f"two cells are both named {' / '.join(map(str, names))}; give one of them its own `label`"
            raise SuiteError(text, place=document.place(path))
        seen.add(names)


def with_live(suite: Suite, models: Sequence[str]) -> Suite:
    """`suite` with models that were given as objects added to every task."""
    extra = [Named(name=name, label=name.removeprefix("live:")) for name in models]
    return suite.model_copy(
        update={"tasks": [spec.model_copy(update={"models": [*spec.models, *extra]}) for spec in suite.tasks]}
    )
