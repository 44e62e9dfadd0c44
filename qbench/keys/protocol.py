"""The protocol of a cell: what its score is measured on and how, whichever method is measured."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from qbench import registry
from qbench.degrade.chain import Chain
from qbench.degrade.codecs.versions import VERSIONS, codec_version
from qbench.degrade.drawn import Drawn
from qbench.keys.cells import Part, entries_of, identity_of, is_file
from qbench.keys.sources import code_of_entry
from qbench.registry import Entry
from qbench.registry.named import plain
from qbench.storage.files import canonical, sha256


def protocol_facts(
    task: str, samples: str, dataset: Part, view: Mapping[str, Any], condition: Part, model: Part,
    metrics: Sequence[Part], seed: int,
) -> dict[str, Any]:  # fmt: skip
    """All that two cells have in common whose scores can be compared: the samples (a digest of their ids, contents and
    labels), the view, the condition with all its parameters, the codecs that it uses, the model with its preprocessing
    and weights, the metrics and the seed of all draws. Labels, methods and the machine take no part.

    Raises QbenchError with the part's path."""
    return {
        "task": task,
        "samples": samples,
        "degraded": getattr(dataset.target, "degraded", None),
        "view": view,
        "condition": condition_facts(condition.entry, condition.named.params, condition.target),
        "codecs": {name: codec_version(name) for name in _codecs(condition)},
        "model": [model.named.name, plain(identity_of(model))],
        "metrics": sorted((_metric(metric) for metric in metrics), key=canonical),
        "seed": seed,
    }


def _metric(metric: Part) -> list[Any]:
    return [metric.named.name, *_all(metric.entry, metric.named.params)]


def _codecs(condition: Part) -> list[str]:
    """The libraries of codecs that a condition uses."""
    named = {name for entry in entries_of(condition) for name in entry.facts.get("libraries", ())}
    return sorted(named & VERSIONS.keys())


def condition_facts(entry: Entry, params: Mapping[str, Any], made: Any) -> list[Any]:
    """A condition with all of its parameters, those included that it has by default; `made` is what they make."""
    if isinstance(made, Chain):
        steps = zip(made.steps, made.conditions, strict=True)
        inner = [condition_facts(registry.get("condition", step.name), step.params, one) for step, one in steps]
        return [entry.name, inner]
    if entry.builtin and is_dataclass(made) and not isinstance(made, Drawn):
        return [entry.name, _written({item.name: getattr(made, item.name) for item in fields(made)})]
    return [entry.name, *_all(entry, params)]


def _all(entry: Entry, params: Mapping[str, Any]) -> list[Any]:
    """Parameters as given and by default, and what tells the code of a plug-in."""
    signature = inspect.signature(entry.schema).parameters.values()
    defaults = {one.name: one.default for one in signature if one.default is not one.empty}
    code = [] if entry.builtin else [code_of_entry(entry)]
    return [_written({**defaults, **params}), *code]


def _written(value: Any) -> Any:
    """As plain data, the same for equal values: a whole number like one with decimals, a file by its contents."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _written(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_written(inner) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str | Path) and is_file(value):
        return sha256(Path(value))
    return plain(value)
