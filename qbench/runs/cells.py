"""The cells of a plan, each with its key and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qbench.cards import lookup as cards
from qbench.compute.cell import Cell, ConditionItem, DatasetItem, Item, MethodItem, MetricItem, Settings, Source
from qbench.data.views import ViewSpec
from qbench.degrade.labels import family_of
from qbench.errors import SuiteError, WeightsError, below
from qbench.keys.cells import (
    Part,
    cell_code,
    code_of,
    condition_facts,
    entries_of,
    identity_of,
    libraries_of,
    method_facts,
    metric_facts,
)
from qbench.keys.protocol import protocol_facts
from qbench.keys.sources import code_of_entry
from qbench.models.files import sha256
from qbench.registry.named import Named, plain
from qbench.runs.parts import TaskParts
from qbench.runs.planned import Told
from qbench.storage.files import canonical, digest, digest_of_text


def make_cell(
    parts: TaskParts, dataset: Part, condition: Part, model: Part, method: Part, train_seed: int, view: ViewSpec,
    settings: Settings, sources: Sequence[Source],
) -> Cell:  # fmt: skip
    weights, sha256, missing = _weights(method, model, dataset, train_seed)
    acting = [*method_facts(method), sha256]
    identity = [model.named.name, plain(identity_of(model))]
    metrics = [metric_facts(part) for part in parts.metrics]
    made_of = canonical(
        {
            **({"metrics": metrics} if parts.task.target.records_what_is_asked else {}),
            "view": view.model_dump(),
            "condition": condition_facts(condition),
            "model": identity,
            "method": acting,
            "dataset": [dataset.named.name, getattr(dataset.target, "degraded", None), *_unproven(dataset)],
            "settings": settings.in_key,
            "libraries": libraries_of(condition),
            "code": cell_code(parts.task, dataset, condition, model, method),
        }
    )
    return Cell(
        key=digest_of_text(made_of),
        parts=made_of,
        task=parts.task.name,
        source=len(sources) - 1,
        dataset=sources[-1].dataset,
        view=view,
        condition=_condition_item(dataset, condition),
        model=Item(**_item(model)),
        method=_method_item(method),
        train_seed=train_seed,
        samples=sources[-1].samples,
        weights=weights,
        weights_sha256=sha256,
        metrics=tuple(_metric_item(part) for part in parts.metrics),
        cost=digest([identity, acting, code_of(model, method)]),
        not_applicable=missing,
    )


def told_of(
    cell: Cell, parts: TaskParts, dataset: Part, condition: Part, model: Part, method: Part, seed: int, samples: str
) -> Told:
    """What a cell is compared and counted by; `samples` names those of its source."""
    facts = protocol_facts(cell.task, samples, dataset, cell.view.model_dump(), condition, model, parts.metrics, seed)
    code = [] if method.entry.builtin else [code_of_entry(entry) for entry in entries_of(method)]
    return Told(digest(facts), digest([*method_facts(method), cell.weights_sha256, *code]))


def _unproven(dataset: Part) -> list[Any]:
    """The parameters of a plug-in's dataset, whose digests may say too little of what it gives. Those of built-in
    readers cover all of it, and stand in the names of files."""
    return [] if dataset.entry.builtin else [plain(dataset.named.params)]


def _item(part: Part) -> dict[str, Any]:
    """The fields that all items have."""
    return {"name": part.named.name, "params": part.named.params, "label": part.label}


def _method_item(method: Part) -> MethodItem:
    facts = method.entry.facts
    return MethodItem(**_item(method), site=facts["site"], oracle=facts["oracle"])


def _metric_item(metric: Part) -> MetricItem:
    return MetricItem(name=metric.named.name, params=metric.named.params, label=metric.named.label or "")


def _condition_item(dataset: Part, condition: Part) -> ConditionItem:
    """The condition as tables show it; of pictures that are degraded already, with what was done to them before."""
    name, target = condition.named.name, condition.target
    label, family, axis = condition.label, family_of(name, target), target.axis
    before = getattr(dataset.target, "degraded", None)
    if before is not None:
        if family == "clean":
            label, family, axis = before
        else:
            label, family = f"{before[0]} → {label}", f"{before[1]} → {family}"
    return ConditionItem(name=name, params=condition.named.params, label=label, family=family, axis=axis)


def _weights(method: Part, model: Part, dataset: Part, train_seed: int) -> tuple[Path | None, str, str]:
    """The method's weights for this model and dataset: path, sha256, and why there are none."""
    if not method.entry.facts["trained"]:
        return None, "", ""
    name = method.named.name
    model_names = None if method.entry.facts["site"] == "image" else _names(model)
    with below(*method.path):
        given, recipe = (_text(method.named, key) for key in ("weights", "recipe"))
        if given is not None:
            return Path(given), _digest(Path(given)), ""
        weights = cards.find_weights(name, model_names, _names(dataset), train_seed, recipe)
    if weights is None:
        return None, "", cards.missing(name, model_names, _names(dataset), train_seed, recipe)
    return weights.path, weights.sha256, ""


def _text(method: Named, key: str) -> str | None:
    """What the suite says of a trained method under `key`. Raises SuiteError for anything but text."""
    value = method.params.get(key)
    if value is None or isinstance(value, str | Path):
        return None if value is None else str(value)
    raise SuiteError(f"{key!r}: expected text, not {value!r}", path=method.path(key))


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


def dataset_item(dataset: Part) -> DatasetItem:
    return DatasetItem(**_item(dataset), own_label=dataset.target.label)
