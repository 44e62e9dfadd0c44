"""The numeric path of a shard: decode, view, degrade, restore, predict, score, a window of samples at a time. Each step
is done once for all cells that share it; nothing here knows of files, processes or progress."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from qbench.compute import predict
from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell, Settings, Shard
from qbench.compute.predict import Batch, Columns
from qbench.compute.prepare import Order, PictureBatch, Prepared, Preparer, windows
from qbench.compute.schedule import Degraded, Placed, schedule
from qbench.errors import NotApplicable, fault
from qbench.process import generators_kept
from qbench.registry.named import text_of
from qbench.runtime import fixed_threads, free_large_buffers

T = TypeVar("T")
LARGE = 2**23
"""Bytes of a batch of pictures, three a pixel, whose features are too large for freed memory to be kept for others."""


@dataclass(frozen=True)
class Outcome:
    """What came of one cell on one shard: its columns, or why there are none."""

    cell: Cell
    columns: Columns | None = None
    not_applicable: str = ""
    error: BaseException | None = None


def run_shard(cells: Sequence[Cell], shard: Shard, settings: Settings, bench: Workbench) -> Iterator[Outcome]:
    """The outcomes of `cells`, which share a source, on one shard.

    A cell that fails does not stop the others. The number of threads is the settings' own while this runs."""
    with fixed_threads(settings.threads), generators_kept():
        work, prepare = ShardWork(cells, shard, settings, bench), Preparer(bench, settings.seed)
        for step in work.steps:
            if work.waits_for(step):
                try:
                    prepared = prepare(step.order)
                except BaseException as error:
                    work.refuse(step, error)
                else:
                    work.add(step, prepared)
        yield from work.outcomes()


@dataclass(frozen=True)
class Step:
    """Pictures to prepare, and the cells that see them."""

    order: Order
    under: Degraded


@dataclass
class Seen:
    """What the cells of one view and condition share of a shard: the samples that came so far."""

    batches: list[PictureBatch] = field(default_factory=list)
    """Without their images and targets."""
    errors: dict[int, str] = field(default_factory=dict)


class ShardWork:
    """The cells of a source on a shard. Pictures come window by window, and only columns of them are kept."""

    def __init__(self, cells: Sequence[Cell], shard: Shard, settings: Settings, bench: Workbench) -> None:
        cells = list({cell.key: cell for cell in cells}.values())
        self._cells, self._shard, self._settings, self._bench = cells, shard, settings, bench
        self._refused: dict[str, BaseException] = {}
        self._parts: dict[str, list[Columns]] = {cell.key: [] for cell in cells}
        self._seen: dict[str, Seen] = {}
        at_views = schedule(self._placed())
        for condition in (condition for at_view in at_views for condition in at_view.conditions):
            self._seen.update(dict.fromkeys([cell.key for cell in condition.cells], Seen()))
        self.steps = [
            Step(Order(condition.cells[0], window, at_view.view), condition)
            for window in windows(shard, settings.batch)
            for at_view in at_views
            for condition in at_view.conditions
        ]
        """Window by window, so that each is decoded once; in any window the steps are the same."""

    def _placed(self) -> list[Placed]:
        placed = []
        for cell in self._cells:
            with self._refusing([cell]):
                placed.append(self._bench.placed(cell))
        return placed

    def waits_for(self, step: Step) -> bool:
        """Whether a cell still needs the pictures of a step: one that failed on a batch needs no more."""
        return bool(self._going_on(step.under.cells))

    def refuse(self, step: Step, error: BaseException) -> None:
        """The pictures of a step cannot be prepared: that is the error of its cells."""
        with self._refusing(step.under.cells):
            raise error

    def add(self, step: Step, prepared: Prepared) -> None:
        """Compute all cells of a step on its pictures."""
        seen = self._seen[step.order.cell.key]
        seen.errors.update(prepared.errors)
        for given in prepared.batches:
            if given.images.nbytes >= LARGE:
                free_large_buffers()
            seen.batches.append(replace(given, images=None, targets=()))
            with self._refusing(step.under.cells):  # pictures may be too large for the device
                batch = predict.on_device(given, text_of(step.order.cell.condition), self._settings)
                self._compute(step.under, batch)

    def _compute(self, under: Degraded, batch: Batch) -> None:
        for cells in under.restored:
            self._restore(self._going_on(cells), batch)
        for stem in under.stems:
            self._run_stem(self._going_on(stem.cells), stem.site, batch)
        for cell in self._going_on(under.whole):
            self._score(cell, batch, lambda c: predict.whole(self._bench.adapted(c), batch))

    def _restore(self, cells: Sequence[Cell], batch: Batch) -> None:
        """Restore once, then let every model see it."""
        restored = self._shared(cells, lambda c: predict.restored(self._bench.method(c), batch, text_of(c.method)))
        if restored is None:
            return
        for cell in cells:
            self._score(cell, batch, lambda c: predict.whole(self._bench.model(c), restored))

    def _run_stem(self, cells: Sequence[Cell], site: str, batch: Batch) -> None:
        """Run the model up to the site once, then the rest for every method."""
        at_site = self._shared(cells, lambda c: predict.features(self._bench.cut(c, site), batch, len(cells)))
        if at_site is None:
            return

        def rest(cell: Cell) -> Any:
            return predict.from_site(self._bench.method(cell), self._bench.cut(cell, site), at_site, batch)

        for cell in cells:
            self._score(cell, batch, rest)

    def _shared(self, cells: Sequence[Cell], compute: Callable[[Cell], T]) -> T | None:
        """What is computed once for all of these cells; None where there are none, or where it fails for all."""
        shared = None
        with self._refusing(cells), self._bench.needed():
            if cells:
                shared = compute(cells[0])
        return shared

    def _score(self, cell: Cell, batch: Batch, forward: Callable[[Cell], Any]) -> None:
        who = f"{text_of(cell.model)} {text_of(cell.method)}"
        with self._refusing([cell]), self._bench.needed():
            scoring, classes = self._bench.scoring(cell), self._bench.classes(cell)
            self._parts[cell.key].append(predict.scored(scoring, lambda: forward(cell), classes, batch, who))

    def outcomes(self) -> Iterator[Outcome]:
        """What came of each cell, once all steps are through."""
        for cell in self._cells:
            columns = None
            with self._refusing([cell]):
                if cell.key not in self._refused:
                    columns = self._columns(cell)
            error = self._refused.get(cell.key)
            if isinstance(error, NotApplicable):
                yield Outcome(cell, not_applicable=error.message)
            else:
                yield Outcome(cell, columns, error=error)

    def _columns(self, cell: Cell) -> Columns:
        """Columns of the whole shard in manifest order, bad samples among them."""
        seen, scoring = self._seen[cell.key], self._bench.scoring(cell)
        parts = [*self._parts[cell.key], scoring.bad(len(seen.errors))]
        order = np.argsort([*(i for batch in seen.batches for i in batch.positions), *seen.errors])
        columns = {name: _joined([part[name] for part in parts], order) for name in parts[0]}
        facts = [*(fact for batch in seen.batches for fact in batch.facts), *({} for _ in seen.errors)]
        groups = [*(group for batch in seen.batches for group in batch.groups), *("" for _ in seen.errors)]
        errors = [""] * (len(facts) - len(seen.errors)) + list(seen.errors.values())
        return {
            "id": self._bench.dataset(cell).manifest().ids[self._shard.start : self._shard.stop],
            "group": [groups[i] for i in order],
            **columns,
            "bpp": np.array([float(fact.get("bpp", np.nan)) for fact in facts], np.float32)[order],
            "facts": [json.dumps(facts[i], sort_keys=True) for i in order],
            "error": [errors[i] for i in order],
        }

    def _going_on(self, cells: Sequence[Cell]) -> list[Cell]:
        return [cell for cell in cells if cell.key not in self._refused]

    @contextmanager
    def _refusing(self, cells: Sequence[Cell]) -> Iterator[None]:
        """What is raised inside is the error of these cells, the first one of each."""
        try:
            yield
        except BaseException as error:
            for link in (error, error.__cause__, error.__context__):
                traceback.clear_frames(getattr(link, "__traceback__", None))  # they hold pictures and features
            for cell in cells:
                self._refused.setdefault(cell.key, fault(error))


def _joined(parts: Sequence[Any], order: np.ndarray[Any, Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate([np.asarray(part) for part in parts])[order]
    values = [value for part in parts for value in part]
    return [values[i] for i in order]
