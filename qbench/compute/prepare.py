"""From a dataset to degraded pictures: decode once, view at a model's size, degrade. Numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from qbench.compute.cell import Shard
from qbench.data.views import View
from qbench.draws import Draw
from qbench.errors import BadSample, ConditionError
from qbench.vocabulary import Condition, Dataset, Facts, Image, Sample


class Targets(Protocol):
    """How a task moves the target of a sample through a view (see `qbench.compute.predict.Scoring`)."""

    def target(self, sample: Sample, viewed: Image, view: View) -> Any: ...


@dataclass(frozen=True)
class ShardSamples:
    """The samples of a shard that could be read, and why the others could not."""

    ids: Sequence[str]
    """Of the whole shard, in the order of the manifest."""
    samples: Sequence[Sample]
    positions: Sequence[int]
    """Where in the shard each readable sample stands."""
    errors: dict[int, str]
    """By position, why a sample cannot be read."""


@dataclass(frozen=True)
class Viewed:
    """Clean pictures after a view, and targets moved along."""

    source: ShardSamples
    images: Sequence[Image]
    targets: Sequence[Any]


def load_shard(dataset: Dataset, shard: Shard) -> ShardSamples:
    """Decode a shard once. A sample that cannot be read is kept by id, with its error."""
    samples, positions, errors = [], [], {}
    for position in range(shard.stop - shard.start):
        try:
            sample = dataset.load(shard.start + position)
        except BadSample as error:
            errors[position] = error.message
        else:
            samples.append(sample)
            positions.append(position)
    return ShardSamples(dataset.manifest().ids[shard.start : shard.stop], samples, positions, errors)


def viewed(source: ShardSamples, view: View, task: Targets) -> Viewed:
    """Pictures and targets after a view."""
    images = [view.apply(sample.image) for sample in source.samples]
    pairs = zip(source.samples, images, strict=True)
    return Viewed(source, images, [task.target(sample, image, view) for sample, image in pairs])


def degrade_all(clean: Viewed, condition: Condition, seed: int) -> tuple[list[Image], list[Facts]]:
    """The degraded pictures and the facts of their draws. Raises ConditionError."""
    pairs = zip(clean.images, clean.source.samples, strict=True)
    results = [degraded(condition, image, Draw(seed, sample.id)) for image, sample in pairs]
    return [image for image, _ in results], [facts for _, facts in results]


def degraded(condition: Condition, image: Image, draw: Draw) -> tuple[Image, Facts]:
    """A degraded copy of the picture: whatever a condition does to what it is given, others see the clean one.

    Raises ConditionError for anything but a picture of the same size."""
    result, facts = condition.apply(image.copy(), draw)
    if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != image.shape:
        given = f"{result.dtype} {list(result.shape)}" if isinstance(result, np.ndarray) else type(result).__name__
        raise ConditionError(f"{condition.label} gave {given}; a condition gives uint8 {list(image.shape)} for such")
    return result, facts
