"""From a dataset to degraded pictures: decode once, view at a model's size, degrade. Numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

from qbench.compute.cell import Cell, Shard
from qbench.data.views import View
from qbench.draws import Draw
from qbench.errors import ConditionError, described, fault
from qbench.vocabulary import Condition, Dataset, Facts, Image, Sample

T = TypeVar("T")
R = TypeVar("R")


class Targets(Protocol):
    """How a task moves the target of a sample through a view (see `qbench.compute.predict.Scoring`)."""

    def target(self, sample: Sample, viewed: Image, view: View) -> Any: ...


class Objects(Protocol):
    """What cells name, built (see `qbench.compute.bench.Workbench`)."""

    def dataset(self, cell: Cell) -> Dataset: ...

    def condition(self, cell: Cell) -> Condition: ...

    def targets(self, cell: Cell) -> Targets: ...


@dataclass(frozen=True)
class Window:
    """Consecutive samples of a manifest, `batch` at most, from a multiple of it on. No batch reaches past one: what
    goes through a network together depends on the manifest and on `batch` alone."""

    start: int
    stop: int


@dataclass(frozen=True)
class Order:
    """Pictures to prepare: a window of the cell's dataset, in a view, under the cell's condition."""

    cell: Cell
    """Any of the cells that share these pictures."""
    window: Window
    view: View


@dataclass(frozen=True)
class PictureBatch:
    """Degraded pictures of one size, in the order of the manifest."""

    images: Any
    """uint8 [B, H, W, 3]: an array, or a tensor once it has come from another process."""
    ids: tuple[str, ...]
    targets: Sequence[Any]
    facts: tuple[Facts, ...]
    groups: Sequence[str]
    """What samples have in common; empty where nothing is known of it."""
    positions: Sequence[int]
    """Their indices in the manifest."""


@dataclass(frozen=True)
class Prepared:
    """All pictures of an order, and by position why samples of it cannot be used."""

    batches: Sequence[PictureBatch]
    errors: Mapping[int, str]


@dataclass(frozen=True)
class Pictures:
    """The samples of a window that can be used so far: decoded, then viewed, then degraded."""

    positions: Sequence[int]
    samples: Sequence[Sample]
    images: Sequence[Image]
    targets: Sequence[Any]
    facts: Sequence[Facts]
    errors: Mapping[int, str]

    def each(self, change: Callable[[Sample, Image, Any], tuple[Image, Any, Facts]]) -> Pictures:
        """The same after a change. A sample for which it fails leaves, with its fault."""
        given = zip(self.samples, self.images, self.targets, strict=True)
        results, faults = _one_by_one(given, lambda item: change(*item))
        kept = [index for index in range(len(self.samples)) if index not in faults]
        images, targets, facts = zip(*results, strict=True) if results else ((), (), ())
        errors = {**self.errors, **{self.positions[index]: reason for index, reason in faults.items()}}
        positions = [self.positions[index] for index in kept]
        return Pictures(positions, [self.samples[index] for index in kept], images, targets, facts, errors)


class Preparer:
    """Prepares pictures order by order; the orders of a window decode it once where they follow each other, and those
    of a view resize once. It holds one window, and one view of it."""

    def __init__(self, objects: Objects, seed: int) -> None:
        self._objects, self._seed = objects, seed
        self._decoded: tuple[Any, Pictures] | None = None
        self._viewed: tuple[Any, Pictures] | None = None

    def __call__(self, order: Order) -> Prepared:
        """Raises what building the dataset or the condition raises; faults of samples are in what it gives."""
        clean = self._view(order)
        return batches(degrade(clean, self._objects.condition(order.cell), self._seed))

    def _decode(self, order: Order) -> Pictures:
        key = order.cell.source, order.window
        if self._decoded is None or self._decoded[0] != key:
            self._decoded = self._viewed = None
            self._decoded = key, load(self._objects.dataset(order.cell), order.window)
        return self._decoded[1]

    def _view(self, order: Order) -> Pictures:
        key = order.cell.source, order.window, order.view
        decoded = self._decode(order)
        if self._viewed is None or self._viewed[0] != key:
            self._viewed = None
            self._viewed = key, viewed(decoded, order.view, self._objects.targets(order.cell))
        return self._viewed[1]


def windows(shard: Shard, batch: int) -> Iterator[Window]:
    """The windows of a shard."""
    edges = [shard.start, *range(shard.start - shard.start % batch + batch, shard.stop, batch), shard.stop]
    return (Window(start, stop) for start, stop in pairwise(edges))


def load(dataset: Dataset, window: Window) -> Pictures:
    """Decode a window. A sample that cannot be read, whatever its reader raises, is kept by position with the error."""
    samples, faults = _one_by_one(range(window.start, window.stop), dataset.load)
    positions = [position for position in range(window.start, window.stop) if position - window.start not in faults]
    errors = {window.start + index: reason for index, reason in faults.items()}
    images, targets = [sample.image for sample in samples], [sample.target for sample in samples]
    return Pictures(positions, samples, images, targets, [{}] * len(samples), errors)


def viewed(decoded: Pictures, view: View, task: Targets) -> Pictures:
    """Clean pictures and targets after a view."""

    def move(sample: Sample, image: Image, _target: Any) -> tuple[Image, Any, Facts]:
        image = view.apply(image)
        return image, task.target(sample, image, view), {}

    return decoded.each(move)


def degrade(clean: Pictures, condition: Condition, seed: int) -> Pictures:
    """The same pictures, degraded, with the facts of their draws."""

    def change(sample: Sample, image: Image, target: Any) -> tuple[Image, Any, Facts]:
        picture, facts = degraded(condition, image, Draw(seed, sample.id))
        return picture, target, facts

    return clean.each(change)


def batches(pictures: Pictures) -> Prepared:
    """Pictures of one size go together, in the order of the manifest."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(pictures.images):
        sizes.setdefault(image.shape, []).append(index)
    return Prepared([_batch(pictures, indices) for indices in sizes.values()], pictures.errors)


def _batch(pictures: Pictures, indices: Sequence[int]) -> PictureBatch:
    samples = [pictures.samples[i] for i in indices]
    return PictureBatch(
        images=np.stack([pictures.images[i] for i in indices]),
        ids=tuple(sample.id for sample in samples),
        targets=[pictures.targets[i] for i in indices],
        facts=tuple(pictures.facts[i] for i in indices),
        groups=[sample.group or "" for sample in samples],
        positions=[pictures.positions[i] for i in indices],
    )


def _one_by_one(items: Iterable[T], use: Callable[[T], R]) -> tuple[list[R], dict[int, str]]:
    """What `use` makes of each item and, by its index, the fault of an item for which it fails: that of the sample."""
    results, faults = [], {}
    for index, item in enumerate(items):
        try:
            results.append(use(item))
        except BaseException as error:
            faults[index] = described(fault(error))
    return results, faults


def degraded(condition: Condition, image: Image, draw: Draw) -> tuple[Image, Facts]:
    """A degraded copy of the picture: whatever a condition does to what it is given, others see the clean one.

    Raises ConditionError for anything but a picture of the same size."""
    result, facts = condition.apply(image.copy(), draw)
    if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != image.shape:
        given = f"{result.dtype} {list(result.shape)}" if isinstance(result, np.ndarray) else type(result).__name__
        raise ConditionError(f"{condition.label} gave {given}; a condition gives uint8 {list(image.shape)} for such")
    return result, facts
