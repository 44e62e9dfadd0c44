"""The items of a task, from their names to objects with the labels that they have in tables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qbench import registry
from qbench.documents.load import Document, KeyPath
from qbench.errors import SuiteError
from qbench.keys.cells import Part, entries_of
from qbench.registry.modules import file_of
from qbench.registry.named import Named
from qbench.suite.construct import construct, entry_of, expanded
from qbench.suite.schema import TaskSpec


@dataclass(frozen=True)
class TaskParts:
    """All that a task of a suite names, built."""

    task: registry.Entry
    datasets: Sequence[Part]
    models: Sequence[Part]
    conditions: Sequence[Part]
    methods: Sequence[Part]
    metrics: Sequence[Part]


def task_parts(spec: TaskSpec, path: KeyPath, document: Document, live: Mapping[str, Any]) -> TaskParts:
    """Raises SuiteError for names and parameters that do not hold, and for two items of the same label."""
    task = entry_of("task", Named(name=spec.task), (*path, "task"), document)
    places = [(*path, "conditions", i) for i in range(len(spec.conditions))]
    return TaskParts(
        task,
        _fanned_out("dataset", [spec.dataset], [(*path, "dataset")], document),
        _told_apart("model", _parts("model", spec.models, (*path, "models"), document, live), document),
        _fanned_out("condition", spec.conditions, places, document),
        _parts("method", spec.methods, (*path, "methods"), document, live),
        _metrics(task, spec, path, document),
    )


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
    """One object for each item."""
    return [
        Part(named, live[named.name], _live_entry(kind, named, live), named.label or named.name, (*path, i))
        if named.name in live
        else _part(kind, named, (*path, i), document)
        for i, named in enumerate(items)
    ]


def _fanned_out(
    kind: registry.Kind, items: Sequence[Named], paths: Sequence[KeyPath], document: Document
) -> list[Part]:
    """One object for each item and combination of the parameters that it gives as lists.

    Where objects of an item would share a label, the parameters tell them apart: `scenes (split val)`. Raises
    SuiteError for two items of the same label."""
    found = [part for named, path in zip(items, paths, strict=True) for part in _fan_out(kind, named, path, document)]
    return _told_apart(kind, found, document)


def _fan_out(kind: registry.Kind, named: Named, path: KeyPath, document: Document) -> list[Part]:
    each = expanded(entry_of(kind, named, path, document), named)
    if not each:
        key = next(key for key, value in named.params.items() if value == [])
        at = (*path, named.name, key) if named.inner else (*path, key)
        raise SuiteError(f"{key!r} is an empty list; expected at least one value", place=document.place(at))
    found = [_part(kind, one, path, document) for one in each]
    alike = {_seen_as(part): [other for other in found if _seen_as(other) == _seen_as(part)] for part in found}
    return [_told_from(part, alike[_seen_as(part)]) for part in found]


def _told_from(part: Part, alike: Sequence[Part]) -> Part:
    """`part`, with the parameters that differ among those of its label."""
    params = part.named.params
    differing = [key for key in params if any(other.named.params[key] != params[key] for other in alike)]
    told = ", ".join(f"{key} {params[key]}" for key in differing)
    return replace(part, label=f"{part.label} ({told})") if told else part


def _told_apart(kind: registry.Kind, parts: Sequence[Part], document: Document) -> list[Part]:
    """`parts`, no two of which have the same label. Raises SuiteError at the second one's place."""
    seen: set[Hashable] = set()
    for part in parts:
        if _seen_as(part) in seen:
            text = f"two {kind}s are both named {part.label!r} in tables; give one of them its own `label`"
            raise SuiteError(text, place=document.place(part.path))
        seen.add(_seen_as(part))
    return list(parts)


def check_reach(parts: TaskParts, plugins: Sequence[str], document: Document) -> None:
    """Raise SuiteError for what a process that imports the suite's plug-ins does not get to know."""
    for part in (*parts.datasets, *parts.models, *parts.conditions, *parts.methods, *parts.metrics):
        for entry in entries_of(part):
            if not registry.reaches_workers(entry, plugins):
                text = f"{entry.kind} {entry.name!r} is declared in {entry.module}, which no plug-in is seen to import"
                advice = f"use one worker, or {_way_to_workers(entry)}"
                raise SuiteError(f"{text}; {advice}", place=document.place(part.path))


def _way_to_workers(entry: registry.Entry) -> str:
    if entry.module == "__main__" or file_of(entry.module) is None:
        return "put it into a module that the suite's `plugins` name"
    return f"name {entry.module} in the suite's `plugins`"


def _seen_as(part: Part) -> Hashable:
    """What stands in tables of it: pictures that are degraded already bring a condition too."""
    return part.label, getattr(part.target, "degraded", None)


def _live_entry(kind: registry.Kind, named: Named, live: Mapping[str, Any]) -> registry.Entry:
    return registry.Entry(kind, named.name, type(live[named.name]), {})


def _part(kind: registry.Kind, named: Named, path: KeyPath, document: Document) -> Part:
    entry = entry_of(kind, named, path, document)
    target = construct(entry, named, path, document)
    return Part(named, target, entry, str(named.label or getattr(target, "label", named.name)), path)
