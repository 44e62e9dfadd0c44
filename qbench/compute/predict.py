"""From degraded pictures to scores: batches, restorations, stems and predictions, each computed once for the cells that
share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from qbench.compute.cell import Settings
from qbench.compute.prepare import Viewed
from qbench.data.views import View
from qbench.errors import BadTarget, DataError
from qbench.models.base import Cut, LoadedModel, finite
from qbench.vocabulary import Context, Facts, FeatureMethod, Image, ImageMethod, Sample

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


def batches(images: Sequence[Image], facts: Sequence[Facts], clean: Viewed, settings: Settings) -> list[Batch]:
    """Pictures of one size go together, in the order of the manifest."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        sizes.setdefault(image.shape, []).append(place)
    parts = [
        places[start : start + settings.batch]
        for places in sizes.values()
        for start in range(0, len(places), settings.batch)
    ]
    return [_batch(part, images, facts, clean, settings.device) for part in parts]


def _batch(places: Sequence[int], images: Sequence[Image], facts: Sequence[Facts], clean: Viewed, device: str) -> Batch:
    stacked = torch.from_numpy(np.stack([images[i] for i in places])).to(device)
    tensor = stacked.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last) / 255
    ids = tuple(clean.source.samples[i].id for i in places)
    return Batch(tensor, Context(ids, tensor, tuple(facts[i] for i in places)), places)


def restored(method: ImageMethod, given: Sequence[Batch]) -> list[Batch]:
    """The batches with restored pictures. Raises ValueError, QbenchError for what are no pictures of the same size."""
    return [replace(batch, images=_restore(method, batch)) for batch in given]


def _restore(method: ImageMethod, batch: Batch) -> Tensor:
    with torch.inference_mode():
        pictures = method.restore(_lent(batch.images, method), batch.context)
    if pictures.shape != batch.images.shape:
        raise ValueError(f"restore gave {list(pictures.shape)} for images of {list(batch.images.shape)}")
    return finite(pictures, "the method's pictures").contiguous(memory_format=torch.channels_last)


def _lent(shared: Tensor, method: object) -> Tensor:
    """What a method may write into: a copy, but for those of qbench, whose tests see that they do not."""
    return shared if type(method).__module__.startswith("qbench.") else shared.clone()


def features(cut: Cut, given: Sequence[Batch]) -> list[Tensor]:
    """The features of each batch at a site, [B, C, h, w]."""
    with torch.inference_mode():
        return [cut.front(batch.images, batch.context) for batch in given]


def whole(model: LoadedModel, given: Sequence[Batch]) -> Iterator[Any]:
    """The predictions of each batch by the whole model."""
    return (model.predict(batch.images, batch.context) for batch in given)


def from_site(method: FeatureMethod, cut: Cut, stem: Sequence[Tensor], given: Sequence[Batch]) -> Iterator[Any]:
    """The predictions of each batch from the method's features at a site."""
    for at_site, batch in zip(stem, given, strict=True):
        enhanced = method.enhance(_lent(at_site, method), _lent(batch.images, method), batch.context)
        finite(enhanced, "the method's features")
        yield cut.back(enhanced, batch.images, batch.context)


def scored(scoring: Scoring, outputs: Iterator[Any], given: Sequence[Batch], clean: Viewed) -> list[Columns]:
    """The columns of each batch. Raises DataError with the sample whose target does not fit the model."""
    with torch.inference_mode():
        return [_scored(scoring, output, batch, clean) for output, batch in zip(outputs, given, strict=True)]


def _scored(scoring: Scoring, output: Any, batch: Batch, clean: Viewed) -> Columns:
    try:
        return scoring.score(output, [clean.targets[i] for i in batch.places])
    except BadTarget as error:
        raise DataError(f"sample {batch.context.ids[error.index]}: {error.message}") from None
