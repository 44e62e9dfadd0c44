"""Builds the objects that cells name, once a process."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import torch

from qbench import registry
from qbench.compute.cell import Cell, Item, Plan
from qbench.compute.pipeline import Scoring
from qbench.degrade.drawn import prepared
from qbench.models.base import Cut, LoadedModel
from qbench.suite.construct import RESERVED
from qbench.vocabulary import Condition, Dataset, Manifest, NeedsSetup, Sample, Setup

T = TypeVar("T")


class Workbench:
    """Objects by name, built on first use on one device. Errors of building come from every call.

    What is built may need gradients (a site's geometry is measured by them), whoever asks first."""

    def __init__(self, plan: Plan) -> None:
        registry.load_plugins(plan.plugins, plan.plugin_files)
        self._plan = plan
        self._device = plan.settings.device
        self._built: dict[tuple[str, ...], Any] = {}

    def dataset(self, cell: Cell) -> Dataset:
        named = self._plan.sources[cell.source].dataset
        found: Dataset = self._once(("dataset", str(cell.source)), lambda: _ListedOnce(_make("dataset", named)))
        return found

    def condition(self, cell: Cell) -> Condition:
        found: Condition = self._once(("condition", _text(cell.condition)), lambda: _make("condition", cell.condition))
        return found

    def scoring(self, cell: Cell) -> Scoring:
        """The task's own module, or what it makes of the metrics that the suite asks for."""
        module = importlib.import_module(registry.get("task", cell.task).target.predict)
        found: Scoring = module.scoring(cell.metrics) if hasattr(module, "scoring") else module
        return found

    def model(self, cell: Cell) -> LoadedModel:
        return self._once(("model", _text(cell.model)), lambda: self._build_model(cell.model))

    def cut(self, cell: Cell, site: str) -> Cut:
        return self._once(("cut", _text(cell.model), site), lambda: self.model(cell).cut(site))

    def method(self, cell: Cell) -> Any:
        """The method, set up; at the model site, the adapted model."""
        model = "" if cell.method.site == "image" else _text(cell.model)
        key = ("method", _text(cell.method), model, cell.weights_sha256)
        return self._once(key, lambda: self._build_method(cell))

    def _build_model(self, named: Item) -> LoadedModel:
        live = self._plan.live.get(named.name)
        model: LoadedModel = (live or _make("model", named)).build()
        model.net.to(self._device)
        return model

    def _build_method(self, cell: Cell) -> Any:
        method = _make("method", cell.method)
        model = None if cell.method.site == "image" else self.model(cell)
        if isinstance(method, NeedsSetup):
            method.setup(Setup(model, cell.weights, self._device))
        if cell.method.site != "model" or model is None:
            return method
        return method.adapt(replace(model, net=copy.deepcopy(model.net)))

    def _once(self, key: tuple[str, ...], build: Callable[[], T]) -> T:
        if key not in self._built:
            with torch.inference_mode(False):
                self._built[key] = build()
        found: T = self._built[key]
        return found


class _ListedOnce:
    """A dataset that reads its manifest once: every shard asks for it, and a reader digests every picture for it."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    @property
    def label(self) -> str:
        return self._dataset.label

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(getattr(self._dataset, "classes", ()))

    @cached_property
    def _manifest(self) -> Manifest:
        return self._dataset.manifest()

    def manifest(self) -> Manifest:
        return self._manifest

    def load(self, index: int) -> Sample:
        return self._dataset.load(index)


def _make(kind: registry.Kind, named: Item) -> Any:
    entry = registry.get(kind, named.name)
    first = [named.name.split(":", 1)[1]] if entry.name.endswith(":*") else []
    params: Mapping[str, Any] = named.params
    if kind == "method":
        params = {key: value for key, value in params.items() if key not in RESERVED}
    return prepared(entry, params) if kind == "condition" else entry.target(*first, **params)


def _text(named: Item) -> str:
    return f"{named.name} {json.dumps(named.params, sort_keys=True, default=str)}"
