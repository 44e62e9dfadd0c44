"""Builds the objects that cells name, once a process."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar, cast

import torch

from qbench import registry
from qbench.compute.boundary import ForeignMethod, checked_model, steady
from qbench.compute.cell import Cell, Item, Source
from qbench.compute.predict import Scoring
from qbench.degrade.drawn import inner
from qbench.models.base import Cut, LoadedModel
from qbench.models.names import Classes
from qbench.models.protocols import Model, ModelMethod, NeedsSetup, Setup
from qbench.process import visit
from qbench.registry.create import create
from qbench.registry.named import text_of
from qbench.vocabulary import Condition, Dataset, Manifest, Sample, Task

T = TypeVar("T")


class Workbench:
    """Objects by name, built on first use on one device. Errors of building come from every call.

    What is built may need gradients (a site's geometry is measured by them), whoever asks first."""

    def __init__(self, sources: Sequence[Source], device: str, live: Mapping[str, Any] | None = None) -> None:
        self._sources = sources
        self._device = device
        self._live = live or {}
        self._built: dict[tuple[str, ...], Any] = {}

    def dataset(self, cell: Cell) -> Dataset:
        named = self._sources[cell.source].dataset
        return self._once(("dataset", str(cell.source)), lambda: _ListedOnce(create("dataset", named)))

    def condition(self, cell: Cell) -> Condition:
        key = ("condition", text_of(cell.condition))
        return self._once(key, lambda: cast(Condition, create("condition", cell.condition)))

    def scoring(self, cell: Cell) -> Scoring:
        """The task's own module, or what it makes of the metrics that the suite asks for."""
        task: Task = registry.get("task", cell.task).target
        module = importlib.import_module(task.predict)
        scoring: Scoring = module.scoring(cell.metrics) if hasattr(module, "scoring") else module
        return scoring

    def model(self, cell: Cell) -> LoadedModel:
        return self._once(("model", text_of(cell.model)), lambda: self._build_model(cell.model))

    def classes(self, cell: Cell) -> Classes:
        """What dataset and model, after an adaptation, say of their classes."""
        model, dataset = self.adapted(cell), self.dataset(cell)
        names, more = tuple(getattr(dataset, "classes", ())), bool(getattr(dataset, "more_classes", False))
        return Classes(cell.task, names, model.names, model.classes, more)

    def cut(self, cell: Cell, site: str) -> Cut:
        return self._once(("cut", text_of(cell.model), site), lambda: self.model(cell).cut(site))

    def method(self, cell: Cell) -> Any:
        """The method, set up; at the model site, the adapted model."""
        model = "" if cell.method.site == "image" else text_of(cell.model)
        key = ("method", text_of(cell.method), model, cell.weights_sha256)
        return self._once(key, lambda: self._build_method(cell))

    def adapted(self, cell: Cell) -> LoadedModel:
        """The model that sees the degraded pictures: the method's at the model site, else the cell's own."""
        model: LoadedModel = self.method(cell) if cell.method.site == "model" else self.model(cell)
        return model

    def _build_model(self, named: Item) -> LoadedModel:
        live = self._live.get(named.name)
        with visit("build", text_of(named)):
            declared: Model = live or create("model", named)
            model = declared.build()
            who = f"model {named.name!r} ({type(declared).__qualname__})"
            foreign = live is not None or not is_ours("model", named, declared)
            if foreign:
                model = checked_model(model, who)
            model.net.to(self._device)
            return steady(model, who) if foreign else model

    def _build_method(self, cell: Cell) -> Any:
        model = None if cell.method.site == "image" else self.model(cell)
        with visit("set up", text_of(cell.method), text_of(cell.model)):
            method = create("method", cell.method)
            ours = is_ours("method", cell.method, method)
            if isinstance(method, NeedsSetup):
                method.setup(Setup(model if ours or model is None else _copy(model), cell.weights, self._device))
            if cell.method.site != "model" or model is None:
                return method if ours else ForeignMethod(method, cell.method.name)
            adapting: ModelMethod = method
            adapted = adapting.adapt(_copy(model))
            who = f"method {cell.method.name!r} ({type(method).__qualname__})"
            return adapted if ours else steady(checked_model(adapted, who), who)

    def _once(self, key: tuple[str, ...], build: Callable[[], T]) -> T:
        if key not in self._built:
            with torch.inference_mode(False):
                self._built[key] = build()
        value: T = self._built[key]
        return value


def is_ours(kind: registry.Kind, named: Item, made: Any) -> bool:
    """Whether qbench declares what a name stands for, and all that it runs through."""
    return all(entry.builtin for entry in (registry.get(kind, named.name), *inner(made)))


def _copy(model: LoadedModel) -> LoadedModel:
    return replace(model, net=copy.deepcopy(model.net), sites=dict(model.sites))


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

    @property
    def more_classes(self) -> bool:
        return bool(getattr(self._dataset, "more_classes", False))

    @cached_property
    def _manifest(self) -> Manifest:
        return self._dataset.manifest()

    def manifest(self) -> Manifest:
        return self._manifest

    def load(self, index: int) -> Sample:
        return self._dataset.load(index)
