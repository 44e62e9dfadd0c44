"""From degraded pictures to scores: batches, restorations, stems and predictions, each computed once for the cells that
share it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from qbench.compute.cell import Settings
from qbench.compute.prepare import Pictures
from qbench.data.views import View
from qbench.errors import BadTarget, DataError
from qbench.models.base import Cut, LoadedModel, finite
from qbench.models.names import Classes
from qbench.process import visit
from qbench.vocabulary import Context, FeatureMethod, Image, ImageMethod, Sample

Columns = Mapping[str, Any]


class Scoring(Protocol):
    """How a task's predictions become records."""

    def target(self, sample: Sample, viewed: Image, view: View) -> Any:
        """The sample's target, moved through the view; `viewed` is the clean picture after it."""

    def score(self, output: Any, targets: Sequence[Any]) -> Columns:
        """A batch's predictions (see `LoadedModel.decode`) and targets to columns, one value a sample."""

    def bad(self, count: int) -> Columns:
        """The same columns for samples that could not be read."""


@dataclass(frozen=True)
class Batch:
    """Pictures of one size on their way through a network."""

    images: Tensor
    """[B, 3, H, W] in [0, 1]."""
    context: Context
    places: Sequence[int]
    """Which of the readable samples these are."""
    key: tuple[Hashable, ...]
    """What seeds the global random generators of whoever computes with it: seed, condition, sample ids."""


def batches(pictures: Pictures, condition: str, settings: Settings) -> list[Batch]:
    """Pictures of one size go together, in the order of the manifest."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(pictures.images):
        sizes.setdefault(image.shape, []).append(place)
    parts = [
        places[start : start + settings.batch]
        for places in sizes.values()
        for start in range(0, len(places), settings.batch)
    ]
    prepared = []
    for places in parts:
        stacked = torch.from_numpy(np.stack([pictures.images[i] for i in places])).to(settings.device)
        tensor = stacked.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last) / 255
        ids = tuple(pictures.source.samples[i].id for i in places)
        context = Context(ids, tensor, tuple(pictures.facts[i] for i in places), settings.seed)
        prepared.append(Batch(tensor, context, places, (settings.seed, condition, ids)))
    return prepared


def restored(method: ImageMethod, given: Sequence[Batch], who: str) -> list[Batch]:
    """The batches with restored pictures; `who` names the method. Raises QbenchError for values that are not finite."""
    return [replace(batch, images=_restore(method, batch, who)) for batch in given]


def _restore(method: ImageMethod, batch: Batch, who: str) -> Tensor:
    with visit(who, *batch.key), torch.inference_mode():
        pictures = method.restore(batch.images, batch.context)
    return finite(pictures, "the method's pictures").contiguous(memory_format=torch.channels_last)


def features(cut: Cut, given: Sequence[Batch]) -> list[Tensor]:
    """The features of each batch at a site, [B, C, h, w]."""
    stem = []
    for batch in given:
        with visit("stem", *batch.key), torch.inference_mode():
            stem.append(cut.front(batch.images, batch.context))
    return stem


def whole(model: LoadedModel, given: Sequence[Batch]) -> Iterator[Any]:
    """The predictions of each batch by the whole model."""
    return (model.predict(batch.images, batch.context) for batch in given)


def from_site(method: FeatureMethod, cut: Cut, stem: Sequence[Tensor], given: Sequence[Batch]) -> Iterator[Any]:
    """The predictions of each batch from the method's features at a site."""
    for at_site, batch in zip(stem, given, strict=True):
        enhanced = method.enhance(at_site, batch.images, batch.context)
        finite(enhanced, "the method's features")
        yield cut.back(enhanced, batch.images, batch.context)


def checked(outputs: Iterator[Any], classes: Classes) -> Iterator[Any]:
    """The same outputs. Raises DataError for those of other classes than the dataset's."""
    for output in outputs:
        classes.check_output(output)
        yield output


def scored(
    scoring: Scoring, outputs: Iterator[Any], given: Sequence[Batch], pictures: Pictures, who: str
) -> list[Columns]:
    """The columns of each batch; `who` names model and method.

    Raises DataError with the sample whose target does not fit the model."""
    columns = []
    for batch in given:
        with visit(who, *batch.key), torch.inference_mode():
            columns.append(_scored(scoring, next(outputs), batch, pictures))
    return columns


def _scored(scoring: Scoring, output: Any, batch: Batch, pictures: Pictures) -> Columns:
    try:
        return scoring.score(output, [pictures.targets[i] for i in batch.places])
    except BadTarget as error:
        raise DataError(f"sample {batch.context.ids[error.index]}: {error.message}") from None
