"""The workbench: what is built once, and what leaves where networks take too much room."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import nn

from qbench.compute.bench import Workbench
from qbench.runs import execute
from tests.compute.test_stream import METHODS, assert_same, frames, planned

ONE = 4 * (8 * 3 * 9 + 8 + 8 * 8 * 9 + 8 + 5 * 32 + 5)
"""Bytes of a network of the plug-in: two convolutions and a linear layer."""
RESTORER = 4 * (16 * 3 * 9 + 16)
"""Bytes of the network that the restorer carries."""
SUITE: dict[str, Any] = {
    "dataset": {"name": "stream-pictures", "count": 20},
    "models": [{"stream-net": {"seed": seed}} for seed in range(10)],
    "methods": [*METHODS, "stream-adapt"],
}


class Watched(Workbench):
    """Counts what is built, and the most that was held."""

    built: ClassVar[Counter[str]] = Counter()
    most_held = 0

    def _make_room(self, *but: tuple[str, ...]) -> None:
        super()._make_room(*but)
        Watched.most_held = max(Watched.most_held, self.held)

    def _build_model(self, named: Any) -> Any:
        Watched.built[f"model {named.params}"] += 1
        return super()._build_model(named)

    def _build_method(self, cell: Any) -> Any:
        Watched.built[f"method {cell.method.params} {cell.model.params if cell.method.site != 'image' else ''}"] += 1
        return super()._build_method(cell)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    monkeypatch.setattr("qbench.compute.bench.Workbench", Watched)
    Watched.built, Watched.most_held = Counter(), 0
    return Watched


def test_networks_that_were_not_used_for_longest_leave_and_records_stay(
    watched: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned({}, **SUITE)
    whole = frames(plan, tmp_path / "whole")
    assert set(watched.built.values()) == {1}, "with room for all, everything is built once"
    assert len(watched.built) == 10 + 10 * 3 + 1
    assert watched.most_held == 10 * 2 * ONE + RESTORER, "models and adapted models, and the restorer once"
    for room in (3 * ONE, 8 * ONE):
        watched.built, watched.most_held = Counter(), 0
        monkeypatch.setattr(execute, "memory_for_networks", lambda *_given, room=room: room)
        assert_same(frames(plan, tmp_path / str(room)), whole)
        assert watched.most_held <= room
        assert max(watched.built.values()) > 1


def test_what_is_needed_now_stays_however_much_it_takes() -> None:
    plan = planned({}, **SUITE)
    bench = Workbench(plan.sources, "cpu", most=1)
    cells = [cell for cell in plan.cells if cell.method.name == "stream-adapt"]
    with bench.needed():
        models = [bench.model(cell) for cell in cells[:3]]
        adapted = bench.adapted(cells[0])
        assert bench.held == 4 * ONE
        assert [bench.model(cell) for cell in cells[:3]] == models
        assert bench.adapted(cells[0]) is adapted
    assert bench.held == 0
    assert bench.model(cells[0]) is not models[0]
    assert bench.held == ONE, "the last one asked for stays until another comes"


def test_tensors_that_several_share_count_once() -> None:
    plan = planned({}, **SUITE)
    bench = Workbench(plan.sources, "cpu", most=math.inf)
    cell = plan.cells[0]
    model = bench.model(cell)
    bench.cut(cell, "D1")
    assert bench.held == ONE
    model.net.register_module("more", nn.Linear(1, 1, bias=False))
    assert bench.held == ONE


def test_units_hold_few_models_and_the_first_ones_come_first() -> None:
    plan = planned({}, **{**SUITE, "models": [{"stream-net": {"seed": seed}} for seed in range(20)]})
    from qbench.runs.units import Unit

    shards = [shard for shard in plan.sources[0].shards for _ in (0, 1)]
    halves = [tuple(range(0, len(plan.cells), 2)), tuple(range(1, len(plan.cells), 2))]
    units = [Unit(0, shard, half) for shard, half in zip(shards, halves * len(plan.sources[0].shards), strict=True)]
    split = execute.by_models(plan, units)
    models = [{plan.cells[i].model.label for i in unit.cells} for unit in split]
    assert [len(some) for some in models] == [8] * len(units) + [8] * len(units) + [4] * len(units)
    assert models[0] == {f"net {seed}" for seed in range(8)}
    work = [(unit.shard.name, i) for unit in units for i in unit.cells]
    assert sorted((unit.shard.name, i) for unit in split for i in unit.cells) == sorted(work)
