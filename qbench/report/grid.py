"""Grids: the points of one metric at one place, by method and condition. Every table is a view of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qbench.compute.cell import ConditionItem, Item, MethodItem, MetricItem
from qbench.report.checked import MetricFault
from qbench.report.columns import Records
from qbench.report.metric import ShownMetric
from qbench.report.point import Point, Resampling, Together, point
from qbench.report.source import Loaded
from qbench.runs.run_info import CellResult, RunInfo
from qbench.tasks.score import readable

CLEAN, DIRECT = "clean", "direct"
"""The family of untouched pictures, and the registered name of the method that does nothing."""
STATUSES = ("failed", "n/a", "pending")
"""Those without a number, the worst first."""


def identity(item: Item) -> str:
    """Tells items of a run apart: same name, parameters and label."""
    return json.dumps([item.name, item.params, item.label], sort_keys=True)


def is_clean(condition: ConditionItem) -> bool:
    return condition.family == CLEAN


@dataclass(frozen=True)
class Place:
    """Where methods meet: one model on one dataset in one view, by their labels."""

    task: str
    dataset: str
    view: str
    model: str
    source: int
    """The dataset's place among the sources of the run."""

    def titled(self, family: str = "") -> dict[str, str]:
        """What tables say of it, and of the conditions that they show there."""
        return {"task": self.task, "dataset": self.dataset, "view": self.view, "model": self.model, "family": family}


@dataclass(frozen=True)
class Grid:
    """The cells of one task and place that show one metric, and their points by method and condition."""

    metric: ShownMetric
    place: Place
    results: tuple[CellResult, ...]
    loaded: Loaded
    together: Together
    _points: dict[tuple[str, str, tuple[int, ...]], Point] = field(default_factory=dict, repr=False)

    @cached_property
    def conditions(self) -> tuple[ConditionItem, ...]:
        """Clean first, then in the suite's order."""
        conditions = {identity(result.cell.condition): result.cell.condition for result in self.results}
        return tuple(sorted(conditions.values(), key=lambda condition: not is_clean(condition)))

    def methods(self, conditions: Iterable[ConditionItem] | None = None) -> tuple[MethodItem, ...]:
        """Those with a cell under one of these conditions (any, where none are given), in the suite's order."""
        wanted = {identity(condition) for condition in (self.conditions if conditions is None else conditions)}
        methods = {
            identity(result.cell.method): result.cell.method
            for result in self.results
            if identity(result.cell.condition) in wanted
        }
        return tuple(methods.values())

    def cells(self, method: MethodItem, condition: ConditionItem) -> tuple[CellResult, ...]:
        """One for each train_seed."""
        return self._by_item.get((identity(method), identity(condition)), ())

    @cached_property
    def _by_item(self) -> dict[tuple[str, str], tuple[CellResult, ...]]:
        by_item: dict[tuple[str, str], tuple[CellResult, ...]] = {}
        for result in self.results:
            key = identity(result.cell.method), identity(result.cell.condition)
            by_item[key] = (*by_item.get(key, ()), result)
        return by_item

    def point(
        self, method: MethodItem, condition: ConditionItem, train_seeds: Sequence[int] | None = None
    ) -> Point | None:
        """The point of these trainings (all, where none are given); None where a cell is missing or not done."""
        cells = self.cells(method, condition)
        if train_seeds is not None:
            by_seed = {result.cell.train_seed: result for result in cells}
            cells = tuple(by_seed[seed] for seed in train_seeds)
        if not cells or any(result.status != "done" for result in cells):
            return None
        key = identity(method), identity(condition), tuple(result.cell.train_seed for result in cells)
        if key not in self._points:
            records = [self.records(result) for result in cells]
            seeds = [result.cell.train_seed for result in cells]
            self.keep(point(self.metric, self.resampling, records, self.together, seeds), cells)
        return self._points[key]

    def keep(self, made: Point, cells: Sequence[CellResult]) -> None:
        """Take a point of these cells, which differ in their train_seed alone, as the grid's own."""
        cell = cells[0].cell
        seeds = tuple(result.cell.train_seed for result in cells)
        self._points[identity(cell.method), identity(cell.condition), seeds] = made
        self.together.waiting.append(made)

    @property
    def resampling(self) -> Resampling:
        return self.loaded.resampling(self.results[0].cell)

    def records(self, result: CellResult) -> Records:
        """Of a cell that is done."""
        return self.loaded.records[result.cell.place]

    def trainings(self, method: MethodItem) -> list[int]:
        """The train_seeds that are done under every condition."""
        done = [
            {result.cell.train_seed for result in self.cells(method, condition) if result.status == "done"}
            for condition in self.conditions
        ]
        return sorted(set.intersection(*done))

    def unfinished(self, method: MethodItem, condition: ConditionItem) -> CellResult | None:
        """The worst of the cells that are not done; None where there are none."""
        left = [result for result in self.cells(method, condition) if result.status != "done"]
        return min(left, key=lambda result: STATUSES.index(result.status), default=None)

    def rate(self, condition: ConditionItem) -> float | None:
        """Mean bits per pixel under a condition, where its samples were files; all methods see the same files."""
        return self._rates.get(identity(condition))

    @cached_property
    def _rates(self) -> dict[str, float]:
        rates: dict[str, float] = {}
        for result in self.results:
            condition = identity(result.cell.condition)
            if result.status == "done" and condition not in rates:
                records = self.records(result)
                by_sample = np.asarray(records["bpp"], dtype=np.float64)[readable(records)]
                if len(by_sample) and np.isfinite(by_sample).all():
                    rates[condition] = float(by_sample.mean())
        return rates


@dataclass(frozen=True)
class Grids:
    """The grids of a run; each is made once, so that all tables share its points."""

    loaded: Loaded
    _grids: dict[tuple[str, MetricItem, bool], tuple[Grid, ...]] = field(default_factory=dict, repr=False)
    faults: list[str] = field(default_factory=list)
    """Why metrics gave no scores, in the order in which it was found out."""

    @property
    def info(self) -> RunInfo:
        return self.loaded.info

    @property
    def metrics(self) -> tuple[tuple[str, MetricItem], ...]:
        """Task and metric, of all that tables show."""
        shown = ((result.cell.task, item) for result in self.info.cells for item in result.cell.metrics)
        return tuple(dict.fromkeys(shown))

    @property
    def is_clean_alone(self) -> bool:
        """Whether no picture of the run was degraded."""
        return bool(self.info.cells) and all(is_clean(result.cell.condition) for result in self.info.cells)

    def of(self, task: str, item: MetricItem, by_class: bool = False) -> tuple[Grid, ...]:
        """The grids of one metric, one for each place, in the suite's order."""
        key = task, item, by_class
        if key not in self._grids:
            self._grids[key] = tuple(self._made(task, ShownMetric(item, by_class)))
        return self._grids[key]

    def _made(self, task: str, metric: ShownMetric) -> Iterable[Grid]:
        places: dict[tuple[Place, str], list[tuple[CellResult, Point | None]]] = {}
        together = Together()
        for result in self.info.cells:
            cell = result.cell
            if cell.task == task and metric.item in cell.metrics:
                place = Place(task, cell.dataset.label, cell.view.label, cell.model.label, cell.source)
                places.setdefault((place, identity(cell.model)), []).append(self._tried(metric, result, together))
        for (place, _), tried in places.items():
            grid = Grid(metric, place, tuple(result for result, _ in tried), self.loaded, together)
            for result, one in tried:
                if one is not None:
                    grid.keep(one, [result])
            for result, _ in tried:  # points of several train_seeds, so that they are drawn with the others
                grid.point(result.cell.method, result.cell.condition)
            yield grid

    def _tried(self, metric: ShownMetric, result: CellResult, together: Together) -> tuple[CellResult, Point | None]:
        """A cell and its point. One of whose records the metric makes no score counts as failed in its tables."""
        if result.status != "done":
            return result, None
        records = self.loaded.records[result.cell.place]
        try:
            resampling = self.loaded.resampling(result.cell)
            one = point(metric, resampling, [records], together, [result.cell.train_seed])
            _ = one.values, one.over(one.counts)
            if one.values is None and not metric.metric.is_ours and one.n:
                one.bootstrap()
        except MetricFault as fault:
            self.faults.append(fault.message)
            return result.model_copy(update={"status": "failed", "reason": fault.message}), None
        return result, one
