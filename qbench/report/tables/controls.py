"""Tables of differences: each method against a control that the suite names, over samples and over trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qbench.report.leaderboard import Column, Group, Row, Table, Value
from qbench.report.score import Draws, Point, Scored, point
from qbench.report.source import Loaded
from qbench.report.tables.layouts import CLEAN
from qbench.report.tables.scores import DASH, GAINS, Notes, group_key, missing
from qbench.runs.run_info import CellResult
from qbench.stats.bootstrap import Flags, Numbers, means
from qbench.stats.seeds import over_seeds, pairs
from qbench.suite.schema import Control

NAME = "against-control"


def against_controls(loaded: Loaded) -> list[Table]:
    """A table for each metric of each task, a group for each control, model and dataset; none without controls."""
    wanted = dict.fromkeys((result.cell.task, metric) for result in loaded.info.cells for metric in result.cell.metrics)
    made = [_table(loaded, task, Scored(metric)) for task, metric in wanted] if loaded.info.controls else []
    return [table for table in made if table.groups]


def _table(loaded: Loaded, task: str, scored: Scored) -> Table:
    cells = [result for result in loaded.info.cells if result.cell.task == task and scored.info in result.cell.metrics]
    notes = Notes()
    groups = []
    for place in dict.fromkeys(map(group_key, cells)):
        here = [result for result in cells if group_key(result) == place]
        sheet = _Sheet(scored, loaded, here, notes)
        of = {"task": place[0], "dataset": place[1], "view": place[2], "model": place[3]}
        groups += [
            sheet.group({**of, "family": f"against {control.control}"}, control)
            for control in loaded.info.controls
            if any(result.cell.method.label == control.control for result in here)
        ]
    title = f"{scored.title}: differences from a control"
    return Table(NAME, title, tuple(groups), tuple(notes.texts), _remarks(scored), "", scored.name, scored.title)


def _remarks(scored: Scored) -> tuple[str, ...]:
    return (
        "Difference from the control on the same samples, mean over pairs of trainings: those of the same train_seed, "
        "or every one with the only one of a side that has one. pairs: how many.",
        f"±: standard deviation over pairs. In brackets: 95% intervals; for one pair the {scored.bootstrap} bootstrap "
        "by sample, which says nothing of other trainings; for several Student's t on the sum of the variances over "
        "pairs and over samples.",
        "average: over the degraded conditions.",
    )


@dataclass(frozen=True)
class _Sheet:
    """The cells of one task, dataset, view and model."""

    scored: Scored
    loaded: Loaded
    cells: Sequence[CellResult]
    notes: Notes

    @property
    def conditions(self) -> list[str]:
        found = sorted(self.cells, key=lambda result: result.cell.condition.family != CLEAN)
        return list(dict.fromkeys(result.cell.condition.label for result in found))

    @property
    def degraded(self) -> list[str]:
        degraded = {r.cell.condition.label for r in self.cells if r.cell.condition.family != CLEAN}
        return [name for name in self.conditions if name in degraded]

    def group(self, of: Mapping[str, str], control: Control) -> Group:
        others = dict.fromkeys(
            result.cell.method.label for result in self.cells if result.cell.method.label != control.control
        )
        methods = [name for name in others if not control.methods or name in control.methods]
        unit, better = GAINS[self.scored.unit], self.scored.metric.higher_is_better
        heads = [Column(name, name, unit, better) for name in [*self.conditions, "average"]]
        rows = tuple(self._row(name, control.control) for name in methods)
        return Group(of, (*heads, Column("pairs", "pairs", "count")), rows)

    def _row(self, method: str, control: str) -> Row:
        own, other = self._done(method), self._done(control)
        chosen = pairs(list(own), list(other)) if own and other else ()
        oracle = next(result.cell.method.oracle for result in self.cells if result.cell.method.label == method)
        if not chosen:
            return Row(method, oracle, (*self._reasons(method, control), DASH, DASH))
        found = {}
        for name in self.conditions:
            sides = [own[seed][name] for seed in dict.fromkeys(one for one, _ in chosen)]
            against = [other[seed][name] for seed in dict.fromkeys(two for _, two in chosen)]
            found[name] = self._difference(sides, against)
        values = [self._value([found[name]]) for name in self.conditions]
        average = self._value([found[name] for name in self.degraded]) if self.degraded else DASH
        return Row(method, oracle, (*values, average, Value(float(len(chosen)))))

    def _done(self, method: str) -> dict[int, dict[str, CellResult]]:
        """By train_seed and condition, the trainings that are done under every condition."""
        found: dict[int, dict[str, CellResult]] = {}
        for result in self.cells:
            if result.cell.method.label == method and result.status == "done":
                found.setdefault(result.cell.train_seed, {})[result.cell.condition.label] = result
        return {seed: cells for seed, cells in found.items() if len(cells) == len(self.conditions)}

    def _reasons(self, *methods: str) -> list[Value]:
        """In place of numbers, why one of the two sides is not there."""
        sides = [[result for result in self.cells if result.cell.method.label == name] for name in methods]
        told = [[missing(side, condition, self.notes) for side in sides] for condition in self.conditions]
        return [next((value for value in values if value != DASH), DASH) for values in told]

    def _difference(self, own: Sequence[CellResult], other: Sequence[CellResult]) -> _Difference | None:
        """None where no sample counts on both sides."""
        one, two = (point(self.scored, cells, self.loaded.records) for cells in (own, other))
        both = one.counts & two.counts
        if not both.any():
            return None
        whole = both.astype(np.float64)
        draws = Draws(self.loaded.info.seed, own[0].cell.dataset.own_label)
        bad = max(one.bad, two.bad)
        return _Difference(one.under(whole) - two.under(whole), _drawn(one, two, both, draws), int(both.sum()), bad)

    def _value(self, parts: Sequence[_Difference | None]) -> Value:
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return Value(None, n=0, missing="unlabelled")
        n, bad = min(part.n for part in known), max(part.bad for part in known)
        by_pair, drawn = (np.mean([getattr(part, name) for part in known], axis=0) for name in ("by_pair", "drawn"))
        found = over_seeds(by_pair, drawn, n, bootstrap=self.scored.bootstrap)
        return Value(found.mean, found.low, found.high, n, bad, len(found.by_pair), found.spread)


@dataclass(frozen=True)
class _Difference:
    """Under one condition: [pairs] on all samples, and [resamples] of their mean."""

    by_pair: Numbers
    drawn: Numbers
    n: int
    bad: int


def _drawn(one: Point, two: Point, both: Flags, draws: Draws) -> Numbers:
    if one.values is None or two.values is None:
        return one.bootstrap(draws, both) - two.bootstrap(draws, both)
    gap = np.where(both, one.values, 0.0) - np.where(both, two.values, 0.0)
    return means(gap[:, None], both[:, None], draws.seed, draws.dataset, one.scored.resamples)[:, 0]
