"""Samples on their way to a network: decoded once, viewed at a model's size, degraded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbench.compute.cell import Shard
from qbench.data.views import View, ViewSpec
from qbench.draws import Draw
from qbench.errors import BadSample, ConditionError
from qbench.models.base import LoadedModel
from qbench.vocabulary import Condition, Dataset, Facts, Image, Sample


def concrete(view: ViewSpec, model: LoadedModel) -> View:
    """A view with the model's own sizes where the suite leaves them to it."""
    convention = model.input
    return View(
        convention.resize if view.resize == "model" else view.resize,
        convention.size if view.crop == "model" else view.crop,
        convention.interpolation if view.interpolation == "model" else view.interpolation,
    )


@dataclass
class Good:
    """The samples of a shard that could be read, and the errors of the others by position."""

    samples: list[Sample]
    positions: list[int]
    errors: dict[int, str]
    ids: list[str]


def load_shard(dataset: Dataset, shard: Shard) -> Good:
    """Decode a shard once. A sample that cannot be read is kept by id, with its error."""
    ids = list(dataset.manifest().ids[shard.start : shard.stop])
    good = Good([], [], {}, ids)
    for position in range(shard.stop - shard.start):
        try:
            sample = dataset.load(shard.start + position)
        except BadSample as error:
            good.errors[position] = error.message
        else:
            good.samples.append(sample)
            good.positions.append(position)
    return good


def degraded(condition: Condition, image: Image, draw: Draw) -> tuple[Image, Facts]:
    """A copy of the picture, degraded: whatever a condition does to what it is given, others see the clean one.

    Raises ConditionError for anything but a picture of the same size."""
    found, facts = condition.apply(image.copy(), draw)
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.shape != image.shape:
        given = f"{found.dtype} {list(found.shape)}" if isinstance(found, np.ndarray) else type(found).__name__
        raise ConditionError(f"{condition.label} gave {given}; a condition gives uint8 {list(image.shape)} for such")
    return found, facts
