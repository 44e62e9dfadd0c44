"""The numeric path of a shard: decode, view, degrade, restore, predict, score. Each step is done once for all cells
that share it; nothing here knows of files, workers or progress."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from qbench.compute.cell import Cell, Settings, Shard
from qbench.compute.samples import Good, concrete, degraded, load_shard
from qbench.data.views import View
from qbench.draws import Draw
from qbench.errors import BadTarget, DataError, NotApplicable
from qbench.models.base import Cut, LoadedModel, finite
from qbench.models.names import agree
from qbench.vocabulary import Condition, Context, Dataset, Facts, FeatureMethod, Image, ImageMethod, Sample

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of one cell on one shard: its columns, or why there are none."""

    cell: Cell
    columns: Columns | None = None
    not_applicable: str = ""
    error: BaseException | None = None


class Scoring(Protocol):
    """How a task's predictions become records."""

    def target(self, sample: Sample, viewed: Image, view: View) -> Any:
        """The sample's target, moved through the view; `viewed` is the clean picture after it."""

    def score(self, output: Any, targets: Sequence[Any]) -> Columns:
        """A batch's predictions (see `LoadedModel.decode`) and targets to columns, one value a sample."""

    def bad(self, count: int) -> Columns:
        """The same columns for samples that could not be read."""


class Bench(Protocol):
    """Builds what cells name, once, and keeps it."""

    def dataset(self, cell: Cell) -> Dataset: ...
    def condition(self, cell: Cell) -> Condition: ...
    def model(self, cell: Cell) -> LoadedModel: ...
    def method(self, cell: Cell) -> Any: ...
    def cut(self, cell: Cell, site: str) -> Cut: ...
    def scoring(self, cell: Cell) -> Scoring: ...


def run_shard(cells: Sequence[Cell], shard: Shard, settings: Settings, bench: Bench) -> Iterator[Outcome]:
    """The outcomes of `cells`, which share a source, on one shard; a cell's outcome comes as soon as it is whole.

    A cell that fails does not stop the others."""
    good = load_shard(bench.dataset(cells[0]), shard)
    by_view: dict[View, list[Cell]] = {}
    for cell in cells:
        try:
            model = bench.model(cell)
            agree(getattr(bench.dataset(cell), "classes", ()), model.names)
            by_view.setdefault(concrete(cell.view, model), []).append(cell)
        except Exception as error:
            yield Outcome(cell, error=error)
    for view, in_view in by_view.items():
        yield from _run_view(view, in_view, good, settings, bench)


@dataclass(frozen=True)
class _Viewed:
    """The good samples of a shard after a view: clean pictures, and targets moved along."""

    good: Good
    images: Sequence[Image]
    targets: Sequence[Any]


def _run_view(view: View, cells: Sequence[Cell], good: Good, settings: Settings, bench: Bench) -> Iterator[Outcome]:
    try:
        images = [view.apply(sample.image) for sample in good.samples]
        targets = [
            bench.scoring(cells[0]).target(sample, image, view)
            for sample, image in zip(good.samples, images, strict=True)
        ]
    except Exception as error:
        yield from (Outcome(cell, error=error) for cell in cells)
        return
    viewed = _Viewed(good, images, targets)
    for group in _grouped(cells, lambda c: (c.condition.name, json.dumps(c.condition.params, sort_keys=True))):
        yield from _run_condition(group, viewed, settings, bench)


def _grouped(cells: Sequence[Cell], key: Callable[[Cell], Any]) -> list[list[Cell]]:
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return list(groups.values())


def _run_condition(cells: Sequence[Cell], viewed: _Viewed, settings: Settings, bench: Bench) -> Iterator[Outcome]:
    try:
        condition = bench.condition(cells[0])
        pairs = [
            degraded(condition, image, Draw(settings.seed, sample.id))
            for image, sample in zip(viewed.images, viewed.good.samples, strict=True)
        ]
    except Exception as error:
        yield from (Outcome(cell, error=error) for cell in cells)
        return
    work = _Work(viewed, [fact for _, fact in pairs], bench)
    batches = _batches([image for image, _ in pairs], work, settings)
    image_cells = [cell for cell in cells if cell.method.site == "image"]
    for group in _grouped(image_cells, lambda c: (c.method.label, c.train_seed)):
        yield from _run_image_method(group, batches, work)
    fronts: dict[tuple[str, str], list[Tensor]] = {}
    for cell in cells:
        if cell.method.site != "image":
            yield _outcome(cell, work, batches, lambda c: _run_model(c, batches, fronts, bench))


@dataclass(frozen=True)
class _Work:
    """What the cells of one condition share: samples, targets, facts, and the built objects."""

    viewed: _Viewed
    facts: Sequence[Facts]
    bench: Bench


@dataclass
class _Batch:
    images: Tensor
    context: Context
    places: Sequence[int]
    """Which of the good samples these are."""


def _batches(images: Sequence[Image], work: _Work, settings: Settings) -> list[_Batch]:
    """Pictures of one size go together, in the order of the manifest."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        sizes.setdefault(image.shape, []).append(place)
    made = []
    for places in sizes.values():
        for start in range(0, len(places), settings.batch):
            part = places[start : start + settings.batch]
            stacked = torch.from_numpy(np.stack([images[i] for i in part])).to(settings.device)
            tensor = stacked.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last) / 255
            ids = tuple(work.viewed.good.samples[i].id for i in part)
            made.append(_Batch(tensor, Context(ids, tensor, tuple(work.facts[i] for i in part)), part))
    return made


def _run_image_method(cells: Sequence[Cell], batches: Sequence[_Batch], work: _Work) -> Iterator[Outcome]:
    """Restore once, then let every model see it."""
    try:
        method: ImageMethod = work.bench.method(cells[0])
        restored = [_Batch(_restore(method, batch), batch.context, batch.places) for batch in batches]
    except Exception as error:
        yield from (_refused(cell, error) for cell in cells)
        return
    for cell in cells:
        yield _outcome(cell, work, restored, lambda c: _predictions(work.bench.model(c), restored))


def _restore(method: ImageMethod, batch: _Batch) -> Tensor:
    with torch.inference_mode():
        restored = method.restore(_lent(batch.images, method), batch.context)
    if restored.shape != batch.images.shape:
        raise ValueError(f"restore gave {list(restored.shape)} for images of {list(batch.images.shape)}")
    return finite(restored, "the method's pictures").contiguous(memory_format=torch.channels_last)


def _lent(shared: Tensor, method: object) -> Tensor:
    """What a method may write into: a copy, but for those of qbench, whose tests see that they do not."""
    return shared if type(method).__module__.startswith("qbench.") else shared.clone()


def _predictions(model: LoadedModel, batches: Sequence[_Batch]) -> Iterator[Any]:
    return (model.predict(batch.images, batch.context) for batch in batches)


def _run_model(
    cell: Cell, batches: Sequence[_Batch], fronts: dict[tuple[str, str], list[Tensor]], bench: Bench
) -> Iterator[Any]:
    """The predictions of a batch each, for the methods that leave the images alone."""
    if cell.method.site in {"none", "model"}:
        model: LoadedModel = bench.method(cell) if cell.method.site == "model" else bench.model(cell)
        yield from _predictions(model, batches)
        return
    method: FeatureMethod = bench.method(cell)
    cut = bench.cut(cell, method.at)
    where = (cell.model.label, method.at)
    if where not in fronts:
        fronts[where] = [cut.front(batch.images, batch.context) for batch in batches]
    for features, batch in zip(fronts[where], batches, strict=True):
        enhanced = method.enhance(_lent(features, method), _lent(batch.images, method), batch.context)
        finite(enhanced, "the method's features")
        yield cut.back(enhanced, batch.images, batch.context)


def _outcome(cell: Cell, work: _Work, batches: Sequence[_Batch], forward: Callable[[Cell], Iterator[Any]]) -> Outcome:
    try:
        with torch.inference_mode():
            scoring = work.bench.scoring(cell)
            parts = [
                _scored(scoring, output, batch, work) for output, batch in zip(forward(cell), batches, strict=True)
            ]
        return Outcome(cell, _columns(parts, [i for batch in batches for i in batch.places], work, scoring))
    except Exception as error:
        return _refused(cell, error)


def _scored(scoring: Scoring, output: Any, batch: _Batch, work: _Work) -> Columns:
    try:
        return scoring.score(output, [work.viewed.targets[i] for i in batch.places])
    except BadTarget as error:
        raise DataError(f"sample {batch.context.ids[error.index]}: {error.message}") from None


def _refused(cell: Cell, error: Exception) -> Outcome:
    if isinstance(error, NotApplicable):
        return Outcome(cell, not_applicable=error.message)
    return Outcome(cell, error=error)


def _columns(parts: list[Columns], places: Sequence[int], work: _Work, scoring: Scoring) -> Columns:
    """Columns of the whole shard in manifest order, bad samples among them."""
    good = work.viewed.good
    parts = [*parts, scoring.bad(len(good.errors))]
    order = np.argsort([*(good.positions[i] for i in places), *good.errors])
    columns = {name: _joined([part[name] for part in parts], order) for name in parts[0]}
    told = [*(work.facts[i] for i in places), *({} for _ in good.errors)]
    groups = [*(good.samples[i].group or "" for i in places), *("" for _ in good.errors)]
    errors = [""] * len(places) + list(good.errors.values())
    return {
        "id": good.ids,
        "group": [groups[i] for i in order],
        **columns,
        "bpp": np.array([float(fact.get("bpp", np.nan)) for fact in told], np.float32)[order],
        "facts": [json.dumps(told[i], sort_keys=True) for i in order],
        "error": [errors[i] for i in order],
    }


def _joined(parts: Sequence[Any], order: np.ndarray[Any, Any]) -> Any:
    values = [value for part in parts for value in part]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate([np.asarray(part) for part in parts])[order]
    return [values[i] for i in order]
