"""The items of a task, from their names to objects with the labels that they have in tables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qbench import registry
from qbench.boundary import checked_text
from qbench.documents.construct import combinations, construct, entry_of, expanded
from qbench.errors import KeyPath, SuiteError, below, foreign, short
from qbench.keys.cells import Part, entries_of
from qbench.registry.modules import file_of
from qbench.registry.named import Named
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


def task_parts(spec: TaskSpec, live: Mapping[str, Any]) -> TaskParts:
    """Raises SuiteError, with the path in the task, for names and parameters that do not hold, and for two items of the
    same label."""
    with below("task"):
        task = entry_of("task", Named(name=spec.task))
    return TaskParts(
        task,
        _told_apart("dataset", _fan_out("dataset", spec.dataset, ("dataset",))),
        _told_apart("model", _parts("model", spec.models, "models", live)),
        _told_apart("condition", _all_conditions(spec)),
        _parts("method", spec.methods, "methods", live),
        _metrics(task, spec),
    )


def cells_of(spec: TaskSpec) -> int:
    """How many cells a task makes at most, told from the lengths of its lists alone."""
    datasets = _combinations("dataset", spec.dataset, ("dataset",))
    conditions = sum(_combinations("condition", named, ("conditions", i)) for i, named in enumerate(spec.conditions))
    seeds = [method.params.get("train_seeds", spec.train_seeds) for method in spec.methods]
    trainings = sum(len(given) if isinstance(given, list) else 1 for given in seeds)
    return datasets * conditions * len(spec.models) * trainings


def _combinations(kind: registry.Kind, named: Named, path: KeyPath) -> int:
    with below(*path):
        return combinations(entry_of(kind, named), named)


def _all_conditions(spec: TaskSpec) -> list[Part]:
    return [part for i, named in enumerate(spec.conditions) for part in _fan_out("condition", named, ("conditions", i))]


def _metrics(task: registry.Entry, spec: TaskSpec) -> list[Part]:
    """What the suite asks for, else what the task shows. Raises SuiteError for a metric of another task."""
    items = spec.metrics or [Named(name=name) for name in task.target.shown]
    parts = [_part("metric", named, ("metrics", i)) for i, named in enumerate(items)]
    names: set[str] = set()
    for part in parts:
        if part.entry.facts["task"] != task.name:
            text = f"metric {part.named.name!r} scores {part.entry.facts['task']}, not {task.name}"
            raise SuiteError(text, path=part.path)
        name = part.named.label or part.named.name
        if name in names and task.target.records_what_is_asked:
            raise SuiteError(f"two metrics are called {name!r}; give one of them a `label`", path=part.path)
        names.add(name)
    return parts


def _parts(kind: registry.Kind, items: Sequence[Named], key: str, live: Mapping[str, Any]) -> list[Part]:
    """One object for each item."""
    return [
        Part(named, live[named.name], _live_entry(kind, named, live), named.label or named.name, (key, i))
        if named.name in live
        else _part(kind, named, (key, i))
        for i, named in enumerate(items)
    ]


def _fan_out(kind: registry.Kind, named: Named, path: KeyPath) -> list[Part]:
    """One object for each combination of the parameters that an item gives as lists.

    Where objects of an item would share a label, the parameters tell them apart: `scenes (split val)`."""
    with below(*path):
        items = expanded(entry_of(kind, named), named)
        if not items:
            key = next(key for key, value in named.params.items() if value == [])
            raise SuiteError(f"{key!r} is an empty list; expected at least one value", path=named.path(key))
    parts = [_part(kind, item, path) for item in items]
    alike: dict[Hashable, list[Part]] = {}
    for part in parts:
        alike.setdefault(_seen_as(part), []).append(part)
    differing = {seen: _differing(group) for seen, group in alike.items()}
    return [_told_from(part, differing[_seen_as(part)]) for part in parts]


def _differing(alike: Sequence[Part]) -> list[str]:
    """The parameters that differ among objects of one label."""
    first = alike[0].named.params
    return [key for key in first if any(part.named.params[key] != first[key] for part in alike)]


def _told_from(part: Part, differing: Sequence[str]) -> Part:
    """`part`, with those parameters in its label."""
    difference = ", ".join(f"{key} {part.named.params[key]}" for key in differing)
    return replace(part, label=f"{part.label} ({difference})") if difference else part


def _told_apart(kind: registry.Kind, parts: Sequence[Part]) -> list[Part]:
    """`parts`, no two of which have the same label. Raises SuiteError with the second one's path."""
    seen: set[Hashable] = set()
    for part in parts:
        if _seen_as(part) in seen:
            text = f"two {kind}s are both named {part.label!r} in tables; give one of them its own `label`"
            raise SuiteError(text, path=part.path)
        seen.add(_seen_as(part))
    return list(parts)


def check_reach(parts: TaskParts, plugins: Sequence[str]) -> None:
    """Raise SuiteError for what a process that imports the suite's plug-ins does not get to know."""
    for part in (*parts.datasets, *parts.models, *parts.conditions, *parts.methods, *parts.metrics):
        if text := _out_of_reach([part], plugins, "use one worker"):
            raise SuiteError(text, path=part.path)


def pictures_out_of_reach(parts: TaskParts, plugins: Sequence[str]) -> str:
    """Why a process that imports the suite's plug-ins cannot prepare the pictures; empty where it can."""
    return _out_of_reach([*parts.datasets, *parts.conditions], plugins, "use no feeders")


def _out_of_reach(parts: Sequence[Part], plugins: Sequence[str], advice: str) -> str:
    for entry in (entry for part in parts for entry in entries_of(part)):
        if not entry.builtin and not registry.reaches_workers(entry, plugins):
            text = f"{entry.kind} {entry.name!r} is declared in {entry.module}, which no plug-in is seen to import"
            return f"{text}; {advice}, or {_way_to_workers(entry)}"
    return ""


def _way_to_workers(entry: registry.Entry) -> str:
    if entry.module == "__main__" or file_of(entry.module) is None:
        return "put it into a module that the suite's `plugins` name"
    return f"name {entry.module} in the suite's `plugins`"


def _seen_as(part: Part) -> Hashable:
    """What stands in tables of it: pictures that are degraded already bring a condition too."""
    return part.label, getattr(part.target, "degraded", None)


def _live_entry(kind: registry.Kind, named: Named, live: Mapping[str, Any]) -> registry.Entry:
    return registry.Entry(kind, named.name, type(live[named.name]), {})


def _part(kind: registry.Kind, named: Named, path: KeyPath) -> Part:
    with below(*path):
        entry, target = entry_of(kind, named), construct(kind, named)
        with foreign(f"{kind} {short(named.name)}", SuiteError):
            label = named.label or checked_text(
                getattr(target, "label", named.name), f"{kind} {named.name!r}: its label"
            )
    return Part(named, target, entry, label, path)
