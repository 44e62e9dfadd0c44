"""The numeric path of a shard: decode, view, degrade, restore, predict, score. Each step is done once for all cells
that share it; nothing here knows of files, workers or progress."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from qbench.data.views import View
from qbench.draws import Draw
from qbench.engine.cells import Cell, Settings, Shard
from qbench.errors import BadSample, NotApplicable
from qbench.models.base import Cut, LoadedModel
from qbench.suite.schema import ViewSpec
from qbench.vocabulary import Condition, Context, Dataset, Facts, FeatureMethod, ImageMethod, Sample

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of one cell on one shard: its columns, or why there are none."""

    cell: Cell
    columns: Columns | None = None
    not_applicable: str = ""
    error: BaseException | None = None


class Bench(Protocol):
    """Builds what cells name, once, and keeps it."""

    def dataset(self, cell: Cell) -> Dataset: ...
    def condition(self, cell: Cell) -> Condition: ...
    def model(self, cell: Cell) -> LoadedModel: ...
    def method(self, cell: Cell) -> Any: ...
    def cut(self, cell: Cell, site: str) -> Cut: ...
    def task(self, cell: Cell) -> Any: ...


def concrete(view: ViewSpec, model: LoadedModel) -> View:
    """A view with the model's own sizes where the suite leaves them to it."""
    convention = model.input
    return View(
        convention.resize if view.resize == "model" else view.resize,
        convention.size if view.crop == "model" else view.crop,
        convention.interpolation if view.interpolation == "model" else view.interpolation,
    )


@dataclass
class _Good:
    """The samples of a shard that could be read, and the errors of the others by position."""

    samples: list[Sample]
    positions: list[int]
    errors: dict[int, str]
    ids: list[str]


def load_shard(dataset: Dataset, shard: Shard) -> _Good:
    """Decode a shard once. A sample that cannot be read is kept by id, with its error."""
    ids = list(dataset.manifest().ids[shard.start : shard.stop])
    good = _Good([], [], {}, ids)
    for position in range(shard.stop - shard.start):
        try:
            sample = dataset.load(shard.start + position)
        except BadSample as error:
            good.errors[position] = error.message
        else:
            good.samples.append(sample)
            good.positions.append(position)
    return good


def run_shard(cells: Sequence[Cell], shard: Shard, settings: Settings, bench: Bench) -> Iterator[Outcome]:
    """The outcomes of `cells`, which share a source, on one shard; a cell's outcome comes as soon as it is whole.

    A cell that fails does not stop the others."""
    good = load_shard(bench.dataset(cells[0]), shard)
    by_view: dict[View, list[Cell]] = {}
    for cell in cells:
        try:
            by_view.setdefault(concrete(cell.view, bench.model(cell)), []).append(cell)
        except Exception as error:
            yield Outcome(cell, error=error)
    for view, in_view in by_view.items():
        views = [view.apply(sample.image) for sample in good.samples]
        for in_condition in _grouped(
            in_view, lambda c: (c.condition.name, json.dumps(c.condition.params, sort_keys=True))
        ):
            yield from _run_condition(in_condition, good, views, settings, bench)


def _grouped(cells: Sequence[Cell], key: Callable[[Cell], Any]) -> list[list[Cell]]:
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return list(groups.values())


def _run_condition(
    cells: Sequence[Cell], good: _Good, views: Sequence[Any], settings: Settings, bench: Bench
) -> Iterator[Outcome]:
    try:
        condition = bench.condition(cells[0])
        pairs = [
            condition.apply(image, Draw(settings.seed, sample.id))
            for image, sample in zip(views, good.samples, strict=True)
        ]
    except Exception as error:
        yield from (Outcome(cell, error=error) for cell in cells)
        return
    facts = [fact for _, fact in pairs]
    batches = _batches([image for image, _ in pairs], facts, good, settings)
    image_cells = [cell for cell in cells if cell.site == "image"]
    for group in _grouped(image_cells, lambda c: (c.method_label, c.train_seed)):
        yield from _run_image_method(group, batches, facts, good, settings, bench)
    fronts: dict[tuple[str, str], list[Tensor]] = {}
    for cell in cells:
        if cell.site != "image":
            yield _outcome(cell, facts, good, bench, lambda c: _run_model(c, batches, fronts, bench))


@dataclass
class _Batch:
    images: Tensor
    context: Context
    targets: list[Any] = field(default_factory=list)


def _batches(images: Sequence[Any], facts: Sequence[Facts], good: _Good, settings: Settings) -> list[_Batch]:
    made = []
    for start in range(0, len(images), settings.batch):
        stop = start + settings.batch
        stacked = torch.from_numpy(np.stack(images[start:stop])).to(settings.device)
        tensor = stacked.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last) / 255
        samples = good.samples[start:stop]
        context = Context(tuple(s.id for s in samples), tensor, tuple(facts[start:stop]))
        made.append(_Batch(tensor, context, [s.target for s in samples]))
    return made


def _run_image_method(
    cells: Sequence[Cell],
    batches: Sequence[_Batch],
    facts: Sequence[Facts],
    good: _Good,
    settings: Settings,
    bench: Bench,
) -> Iterator[Outcome]:
    """Restore once, then let every model see it."""
    try:
        method: ImageMethod = bench.method(cells[0])
        restored = [_Batch(_restore(method, batch), batch.context, batch.targets) for batch in batches]
    except Exception as error:
        yield from (_refused(cell, error) for cell in cells)
        return
    for cell in cells:
        yield _outcome(cell, facts, good, bench, lambda c: [bench.model(c).logits(batch.images) for batch in restored])


def _restore(method: ImageMethod, batch: _Batch) -> Tensor:
    with torch.inference_mode():
        restored = method.restore(batch.images, batch.context)
    if restored.shape != batch.images.shape:
        raise ValueError(f"restore gave {list(restored.shape)} for images of {list(batch.images.shape)}")
    return restored.contiguous(memory_format=torch.channels_last)


def _run_model(
    cell: Cell, batches: Sequence[_Batch], fronts: dict[tuple[str, str], list[Tensor]], bench: Bench
) -> list[Tensor]:
    """Logits of a batch each, for the methods that leave the images alone."""
    if cell.site == "none":
        return [bench.model(cell).logits(batch.images) for batch in batches]
    if cell.site == "model":
        adapted: LoadedModel = bench.method(cell)
        return [adapted.logits(batch.images) for batch in batches]
    method: FeatureMethod = bench.method(cell)
    cut = bench.cut(cell, method.at)
    where = (cell.model_label, method.at)
    if where not in fronts:
        fronts[where] = [cut.front(batch.images) for batch in batches]
    return [
        cut.back(method.enhance(features, batch.images, batch.context), batch.images)
        for features, batch in zip(fronts[where], batches, strict=True)
    ]


def _outcome(
    cell: Cell, facts: Sequence[Facts], good: _Good, bench: Bench, forward: Callable[[Cell], list[Tensor]]
) -> Outcome:
    try:
        with torch.inference_mode():
            logits = forward(cell)
        return Outcome(cell, _columns(cell, logits, facts, good, bench))
    except Exception as error:
        return _refused(cell, error)


def _refused(cell: Cell, error: Exception) -> Outcome:
    if isinstance(error, NotApplicable):
        return Outcome(cell, not_applicable=error.message)
    return Outcome(cell, error=error)


def _columns(cell: Cell, logits: Sequence[Tensor], facts: Sequence[Facts], good: _Good, bench: Bench) -> Columns:
    """Columns of the whole shard in manifest order, bad samples among them."""
    predict = importlib.import_module(bench.task(cell).predict)
    parts = [predict.bad(len(good.errors))]
    if logits:
        parts.insert(0, predict.score(torch.cat(list(logits)), [sample.target for sample in good.samples]))
    order = np.argsort([*good.positions, *good.errors])
    columns = {name: _joined([part[name] for part in parts], order) for name in parts[0]}
    texts = [json.dumps(fact, sort_keys=True) for fact in facts] + ["{}"] * len(good.errors)
    rates = [float(fact.get("bpp", np.nan)) for fact in facts] + [np.nan] * len(good.errors)
    errors = [""] * len(good.samples) + list(good.errors.values())
    return {
        "id": good.ids,
        **columns,
        "bpp": np.array(rates, np.float32)[order],
        "facts": [texts[i] for i in order],
        "error": [errors[i] for i in order],
    }


def _joined(parts: Sequence[Any], order: np.ndarray[Any, Any]) -> Any:
    values = [value for part in parts for value in part]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate([np.asarray(part) for part in parts])[order]
    return [values[i] for i in order]
