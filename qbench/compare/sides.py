"""What is compared: runs, or models and methods of one or several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from qbench.compute.cell import Item, MethodItem
from qbench.errors import QbenchError, nearest
from qbench.report.grid import Grid, Grids
from qbench.report.source import Loaded


class Spot(NamedTuple):
    """Where a score of one side is looked for in another: by labels. What the sides differ in is left empty."""

    task: str
    dataset: str
    view: str
    model: str
    method: str
    metric: str


@dataclass(frozen=True)
class Side:
    """One side of a comparison; the first one is the reference."""

    name: str
    grids: Grids
    model: str = ""
    """The label of the only model that takes part; empty: all do."""
    method: str = ""

    @property
    def loaded(self) -> Loaded:
        return self.grids.loaded

    def spots(self, by_model: bool, by_method: bool) -> dict[Spot, tuple[Grid, MethodItem]]:
        """Its scores, with models and methods told apart or not."""
        found: dict[Spot, tuple[Grid, MethodItem]] = {}
        for task, item in self.grids.metrics:
            for grid in self.grids.of(task, item):
                place = grid.place
                if self.model not in ("", place.model):
                    continue
                model = place.model if by_model else ""
                for method in grid.methods():
                    if self.method in ("", method.label):
                        name = method.label if by_method else ""
                        found[Spot(task, place.dataset, place.view, model, name, grid.metric.name)] = grid, method
        return found


@dataclass(frozen=True)
class Sides:
    """The sides, of which all others are compared with the first."""

    reference: Side
    others: tuple[Side, ...]

    def spots(self, side: Side) -> dict[Spot, tuple[Grid, MethodItem]]:
        return side.spots(self._are_alike("model"), self._are_alike("method"))

    def _are_alike(self, what: str) -> bool:
        return len({getattr(side, what) for side in (self.reference, *self.others)}) == 1

    @cached_property
    def reference_spots(self) -> dict[Spot, tuple[Grid, MethodItem]]:
        return self.spots(self.reference)


def sides(runs: Mapping[str, Loaded], models: Sequence[str] = (), methods: Sequence[str] = ()) -> Sides:
    """`runs` by name, and labels of models and methods. Each of the three gives one for all sides, or one for each.

    Raises QbenchError where they do not fit together, and with the nearest name for a label that a run lacks."""
    count = max(len(runs), len(models), len(methods))
    if count < 2:
        raise QbenchError(
            "a comparison has two sides or more: name several runs, or give --method or --model several times"
        )
    given = {"run": list(runs), "--model": list(models), "--method": list(methods)}
    for what, names in given.items():
        if len(names) not in (0, 1, count):
            raise QbenchError(f"{what}: {len(names)} for {count} sides; give one for all of them, or one for each")
    grids = {name: Grids(loaded) for name, loaded in runs.items()}
    spread = [names * count if len(names) == 1 else names or [""] * count for names in given.values()]
    made = [_side(grids, run, model, method, given) for run, model, method in zip(*spread, strict=True)]
    return Sides(made[0], tuple(made[1:]))


def _side(
    grids: Mapping[str, Grids], run: str, model: str, method: str, given: Mapping[str, Sequence[str]]
) -> Side:  # fmt: skip
    cells = [result.cell for result in grids[run].info.cells]
    for what, label, items in (
        ("model", model, [cell.model for cell in cells]),
        ("method", method, [cell.method for cell in cells]),
    ):
        _check_known(run, what, label, items)
    told = zip((run, model, method), given.values(), strict=True)
    return Side(" / ".join(name for name, names in told if len(names) > 1), grids[run], model, method)


def _check_known(run: str, what: str, label: str, items: Sequence[Item]) -> None:
    known = dict.fromkeys(item.label for item in items)
    if label and label not in known:
        raise QbenchError(f"{run} has no {what} {label!r}{nearest(label, known)}; there are: {', '.join(known)}")
