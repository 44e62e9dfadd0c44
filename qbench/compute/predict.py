"""From a batch of degraded pictures to scores: restorations, stems and predictions, each computed once for the cells
that share it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from qbench.compute.cell import Settings
from qbench.compute.prepare import PictureBatch
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
    targets: Sequence[Any]
    key: tuple[Hashable, ...]
    """What seeds the global random generators of whoever computes with it: seed, condition, sample ids."""


def on_device(given: PictureBatch, condition: str, settings: Settings) -> Batch:
    """The batch as networks take it, on the device that computes. `condition` is its text, for the key."""
    pixels = torch.as_tensor(given.images).to(settings.device, non_blocking=True)
    images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last).div_(255)
    context = Context(given.ids, images, given.facts, settings.seed)
    return Batch(images, context, given.targets, (settings.seed, condition, given.ids))


def restored(method: ImageMethod, batch: Batch, who: str) -> Batch:
    """The batch with restored pictures; `who` names the method. Raises QbenchError for values that are not finite."""
    with visit(who, *batch.key), torch.inference_mode():
        pictures = method.restore(batch.images, batch.context)
    pictures = finite(pictures, "the method's pictures").contiguous(memory_format=torch.channels_last)
    return replace(batch, images=pictures)


def features(cut: Cut, batch: Batch, methods: int) -> Tensor:
    """The features of the batch at a site, [B, C, h, w]. Where several methods read them it is a copy: the rest of the
    network may write over what it gave at the site."""
    with visit("stem", *batch.key), torch.inference_mode():
        at_site = cut.front(batch.images, batch.context)
        return at_site.clone() if methods > 1 else at_site


def whole(model: LoadedModel, batch: Batch) -> Any:
    """The predictions of the whole model."""
    return model.predict(batch.images, batch.context)


def from_site(method: FeatureMethod, cut: Cut, at_site: Tensor, batch: Batch) -> Any:
    """The predictions from the method's features at a site."""
    enhanced = method.enhance(at_site, batch.images, batch.context)
    finite(enhanced, "the method's features")
    return cut.back(enhanced, batch.images, batch.context)


def scored(scoring: Scoring, forward: Callable[[], Any], classes: Classes, batch: Batch, who: str) -> Columns:
    """The columns of the batch from what `forward` predicts; `who` names model and method.

    Raises DataError for outputs of other classes than the dataset's, and with the sample whose target does not fit the
    model."""
    with visit(who, *batch.key), torch.inference_mode():
        output = forward()
        classes.check_output(output)
        try:
            return scoring.score(output, batch.targets)
        except BadTarget as error:
            raise DataError(f"sample {batch.context.ids[error.index]}: {error.message}") from None
