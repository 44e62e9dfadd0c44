"""The numeric path of a shard: decode, view, degrade, restore, predict, score. Each step is done once for all cells
that share it; nothing here knows of files, workers or progress."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qbench.compute import predict, prepare
from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell, Settings, Shard
from qbench.compute.predict import Batch, Columns, Scoring
from qbench.compute.prepare import Pictures, ShardSamples
from qbench.compute.schedule import AtView, Degraded, Placed, Stem, schedule
from qbench.errors import DataError, NotApplicable, fault
from qbench.process import generators_kept
from qbench.registry.named import text_of
from qbench.runtime import fixed_threads


@dataclass(frozen=True)
class Outcome:
    """What came of one cell on one shard: its columns, or why there are none."""

    cell: Cell
    columns: Columns | None = None
    not_applicable: str = ""
    error: BaseException | None = None


def run_shard(cells: Sequence[Cell], shard: Shard, settings: Settings, bench: Workbench) -> Iterator[Outcome]:
    """The outcomes of `cells`, which share a source, on one shard; a cell's outcome comes as soon as it is whole.

    A cell that fails does not stop the others. The number of threads is the settings' own while this runs."""
    with fixed_threads(settings.threads), generators_kept():
        samples = prepare.load_shard(bench.dataset(cells[0]), shard)
        placed = []
        for cell in cells:
            try:
                placed.append(place(cell, bench))
            except BaseException as error:
                yield _refused(cell, fault(error))
        for at_view in schedule(placed):
            yield from _at_view(at_view, samples, settings, bench)


def place(cell: Cell, bench: Workbench) -> Placed:
    """A cell with its view in pixels and its site. Raises what building its model or method raises, and DataError for
    classes that the dataset and the model count or number differently, and for a method's model of another view."""
    model = bench.model(cell)
    bench.classes(cell).check()
    view, adapted = (cell.view.of(seen.input) for seen in (model, bench.adapted(cell)))
    if adapted != view:
        raise DataError(f"the method gives a model that sees {adapted}; expected the view of its own model, {view}")
    site = bench.method(cell).at if cell.method.site == "feature" else ""
    return Placed(cell, view, site)


def _at_view(step: AtView, samples: ShardSamples, settings: Settings, bench: Workbench) -> Iterator[Outcome]:
    cells = [cell for condition in step.conditions for cell in condition.cells]
    try:
        clean = prepare.viewed(samples, step.view, bench.scoring(cells[0]))
    except BaseException as error:
        yield from (_refused(cell, fault(error)) for cell in cells)
        return
    for condition in step.conditions:
        yield from _under_condition(condition, clean, settings, bench)


def _under_condition(step: Degraded, clean: Pictures, settings: Settings, bench: Workbench) -> Iterator[Outcome]:
    try:
        pictures = prepare.degrade(clean, bench.condition(step.cells[0]), settings.seed)
    except BaseException as error:
        yield from (_refused(cell, fault(error)) for cell in step.cells)
        return
    batches = predict.batches(pictures, text_of(step.cells[0].condition), settings)
    work = _Work(pictures, bench)
    for cells in step.restored:
        yield from work.restored(cells, batches)
    for stem in step.stems:
        yield from work.from_stem(stem, batches)
    for cell in step.whole:
        yield work.outcome(cell, batches, lambda c: predict.whole(bench.adapted(c), batches))


@dataclass(frozen=True)
class _Work:
    """What the cells of one view and condition share: pictures, targets, facts, and the built objects."""

    pictures: Pictures
    bench: Workbench

    def restored(self, cells: Sequence[Cell], batches: Sequence[Batch]) -> Iterator[Outcome]:
        """Restore once, then let every model see it."""
        try:
            restored = predict.restored(self.bench.method(cells[0]), batches, text_of(cells[0].method))
        except BaseException as error:
            yield from (_refused(cell, fault(error)) for cell in cells)
            return
        for cell in cells:
            yield self.outcome(cell, restored, lambda c: predict.whole(self.bench.model(c), restored))

    def from_stem(self, stem: Stem, batches: Sequence[Batch]) -> Iterator[Outcome]:
        """Run the model up to the site once, then the rest for every method."""
        try:
            cut = self.bench.cut(stem.cells[0], stem.site)
            features = predict.features(cut, batches)
        except BaseException as error:
            yield from (_refused(cell, fault(error)) for cell in stem.cells)
            return
        for cell in stem.cells:
            yield self.outcome(cell, batches, lambda c: predict.from_site(self.bench.method(c), cut, features, batches))

    def outcome(self, cell: Cell, batches: Sequence[Batch], forward: Callable[[Cell], Iterator[Any]]) -> Outcome:
        try:
            scoring = self.bench.scoring(cell)
            who = f"{text_of(cell.model)} {text_of(cell.method)}"
            outputs = predict.checked(forward(cell), self.bench.classes(cell))
            parts = predict.scored(scoring, outputs, batches, self.pictures, who)
            return Outcome(cell, self._columns(parts, [i for batch in batches for i in batch.places], scoring))
        except BaseException as error:
            return _refused(cell, fault(error))

    def _columns(self, parts: list[Columns], places: Sequence[int], scoring: Scoring) -> Columns:
        """Columns of the whole shard in manifest order, bad samples among them."""
        source = self.pictures.source
        parts = [*parts, scoring.bad(len(source.errors))]
        order = np.argsort([*(source.positions[i] for i in places), *source.errors])
        columns = {name: _joined([part[name] for part in parts], order) for name in parts[0]}
        facts = [*(self.pictures.facts[i] for i in places), *({} for _ in source.errors)]
        groups = [*(source.samples[i].group or "" for i in places), *("" for _ in source.errors)]
        errors = [""] * len(places) + list(source.errors.values())
        return {
            "id": source.ids,
            "group": [groups[i] for i in order],
            **columns,
            "bpp": np.array([float(fact.get("bpp", np.nan)) for fact in facts], np.float32)[order],
            "facts": [json.dumps(facts[i], sort_keys=True) for i in order],
            "error": [errors[i] for i in order],
        }


def _refused(cell: Cell, error: BaseException) -> Outcome:
    if isinstance(error, NotApplicable):
        return Outcome(cell, not_applicable=error.message)
    return Outcome(cell, error=error)


def _joined(parts: Sequence[Any], order: np.ndarray[Any, Any]) -> Any:
    values = [value for part in parts for value in part]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate([np.asarray(part) for part in parts])[order]
    return [values[i] for i in order]
