"""Builds the objects that cells name, once a process."""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import nn

from qbench import registry
from qbench.compute.boundary import ForeignMethod, checked_model, steady
from qbench.compute.cell import Cell, Item, Source
from qbench.compute.predict import Scoring
from qbench.compute.prepare import Targets
from qbench.compute.schedule import Placed
from qbench.degrade.drawn import inner
from qbench.errors import DataError
from qbench.models.base import Cut, LoadedModel
from qbench.models.names import Classes
from qbench.models.protocols import Model, ModelMethod, NeedsSetup, Setup
from qbench.process import visit
from qbench.registry.create import create
from qbench.registry.named import text_of
from qbench.vocabulary import Condition, Dataset, Manifest, Sample, Task

T = TypeVar("T")


@dataclass
class Built:
    """One object, and the bytes of each tensor of its networks by the tensor's identity."""

    value: Any
    tensors: Mapping[int, int]


class Workbench:
    """Objects by name, built on first use on one device. Errors of building come from every call.

    What is built may need gradients (a site's geometry is measured by them), whoever asks first. Where the networks
    take more than `most` bytes, the least recently used leave, and are built again when they are asked for."""

    def __init__(
        self, sources: Sequence[Source], device: str, live: Mapping[str, Any] | None = None, most: float = math.inf
    ) -> None:
        self._sources = sources
        self._device = device
        self._live = live or {}
        self._most = most
        self._crowded = False
        self._built: dict[tuple[str, ...], Built] = {}
        """In the order of use, the last used at the end."""
        self._needed: set[tuple[str, ...]] | None = None
        """Inside of `needed`, what was asked for."""

    @contextmanager
    def needed(self) -> Iterator[None]:
        """What is asked for inside stays until the end of it."""
        before, self._needed = self._needed, set(self._needed or ())
        try:
            yield
        finally:
            self._needed = before
            if self._crowded:
                self._make_room()

    @property
    def held(self) -> int:
        """Bytes of the networks that are built now; tensors that several share count once."""
        return sum({key: size for built in self._built.values() for key, size in built.tensors.items()}.values())

    def placed(self, cell: Cell) -> Placed:
        """The cell with its view in pixels and its site. Raises what building its model or method raises, and DataError
        for classes that the dataset and the model count or number differently, and for a method's model of another
        view."""
        return self._once(("placed", cell.place), lambda: self._place(cell))

    def dataset(self, cell: Cell) -> Dataset:
        named = self._sources[cell.source].dataset
        return self._once(("dataset", str(cell.source)), lambda: _ListedOnce(create("dataset", named)))

    def condition(self, cell: Cell) -> Condition:
        key = ("condition", text_of(cell.condition))
        return self._once(key, lambda: cast(Condition, create("condition", cell.condition)))

    def scoring(self, cell: Cell) -> Scoring:
        """The task's own module, or what it makes of the metrics that the suite asks for."""
        module = _module_of(cell)
        if not hasattr(module, "scoring"):
            return cast(Scoring, module)
        key = ("scoring", cell.task, *(metric.model_dump_json() for metric in cell.metrics))
        return self._once(key, lambda: cast(Scoring, module.scoring(cell.metrics)))

    def targets(self, cell: Cell) -> Targets:
        """What moves targets through views: the task's own module, which needs no metric for that."""
        module = _module_of(cell)
        return cast(Targets, module) if hasattr(module, "target") else self.scoring(cell)

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

    def _place(self, cell: Cell) -> Placed:
        with self.needed():
            self.classes(cell).check()
            view, adapted = (cell.view.of(seen.input) for seen in (self.model(cell), self.adapted(cell)))
            if adapted != view:
                raise DataError(
                    f"the method gives a model that sees {adapted}; expected the view of its own model, {view}"
                )
            return Placed(cell, view, self.method(cell).at if cell.method.site == "feature" else "")

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
        if self._needed is not None:
            self._needed.add(key)
        if key in self._built:
            self._built[key] = built = self._built.pop(key)
        else:
            with torch.inference_mode(False):
                value = build()
            self._built[key] = built = Built(value, _tensors(value))
            self._make_room(key)
        found: T = built.value
        return found

    def _make_room(self, *but: tuple[str, ...]) -> None:
        """Let networks go, those first that were not used for longest, while they take too much: none that is needed,
        nor those in `but`."""
        kept = {*but, *(self._needed or ())}
        self._crowded = self._most < math.inf and self.held > self._most
        for key in [key for key, built in self._built.items() if built.tensors and key not in kept]:
            if not self._crowded:
                return
            del self._built[key]
            self._crowded = self.held > self._most


def _tensors(value: Any) -> dict[int, int]:
    tensors = (tensor for net in _networks(value) for tensor in (*net.parameters(), *net.buffers()))
    return {id(tensor): tensor.numel() * tensor.element_size() for tensor in tensors}


def _networks(value: Any) -> list[nn.Module]:
    """The networks of a model, a cut or a method, and those of a model that a method keeps."""
    value = value.method if isinstance(value, ForeignMethod) else value
    parts = [value, *getattr(value, "__dict__", {}).values()]
    models = [part for part in parts if isinstance(part, LoadedModel)]
    nets = [part for part in parts if isinstance(part, nn.Module)]
    return [*nets, *(net for model in models for net in model.networks)]


def _module_of(cell: Cell) -> Any:
    task: Task = registry.get("task", cell.task).target
    return importlib.import_module(task.predict)


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
