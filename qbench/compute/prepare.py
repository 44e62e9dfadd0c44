"""From a dataset to degraded pictures: decode once, view at a model's size, degrade. Numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from qbench.compute.cell import Shard
from qbench.data.views import View
from qbench.draws import Draw
from qbench.errors import ConditionError, described, fault
from qbench.vocabulary import Condition, Dataset, Facts, Image, Sample

T = TypeVar("T")
R = TypeVar("R")


class Targets(Protocol):
    """How a task moves the target of a sample through a view (see `qbench.compute.predict.Scoring`)."""

    def target(self, sample: Sample, viewed: Image, view: View) -> Any: ...


@dataclass(frozen=True)
class ShardSamples:
    """The samples of a shard that can be used so far, and why the others cannot."""

    ids: Sequence[str]
    """Of the whole shard, in the order of the manifest."""
    samples: Sequence[Sample]
    positions: Sequence[int]
    """Where in the shard each sample stands."""
    errors: Mapping[int, str]
    """By position, why a sample cannot be used."""

    def without(self, faults: Mapping[int, str]) -> ShardSamples:
        """These samples but for some, which are given by their index here with the reason."""
        kept = [index for index in range(len(self.samples)) if index not in faults]
        return ShardSamples(
            self.ids,
            [self.samples[index] for index in kept],
            [self.positions[index] for index in kept],
            {**self.errors, **{self.positions[index]: reason for index, reason in faults.items()}},
        )


@dataclass(frozen=True)
class Pictures:
    """Pictures with their targets and, once they are degraded, the facts of their draws."""

    source: ShardSamples
    images: Sequence[Image]
    targets: Sequence[Any]
    facts: Sequence[Facts] = ()


def load_shard(dataset: Dataset, shard: Shard) -> ShardSamples:
    """Decode a shard once. A sample that cannot be read, whatever its reader raises, is kept by id with the error."""
    samples, errors = _one_by_one(range(shard.start, shard.stop), dataset.load)
    positions = [position for position in range(shard.stop - shard.start) if position not in errors]
    return ShardSamples(dataset.manifest().ids[shard.start : shard.stop], samples, positions, errors)


def viewed(source: ShardSamples, view: View, task: Targets) -> Pictures:
    """Clean pictures and targets after a view."""

    def move(sample: Sample) -> tuple[Image, Any]:
        image = view.apply(sample.image)
        return image, task.target(sample, image, view)

    pairs, faults = _one_by_one(source.samples, move)
    return Pictures(source.without(faults), [image for image, _ in pairs], [target for _, target in pairs])


def degrade(clean: Pictures, condition: Condition, seed: int) -> Pictures:
    """The same pictures, degraded."""
    samples = list(zip(clean.source.samples, clean.images, clean.targets, strict=True))

    def change(item: tuple[Sample, Image, Any]) -> tuple[Image, Any, Facts]:
        sample, image, target = item
        picture, facts = degraded(condition, image, Draw(seed, sample.id))
        return picture, target, facts

    results, faults = _one_by_one(samples, change)
    images, targets, facts = zip(*results, strict=True) if results else ((), (), ())
    return Pictures(clean.source.without(faults), images, targets, facts)


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
