"""Whether two runs can be compared sample by sample, and what differs between them all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from qbench.compute.cell import Cell
from qbench.report.columns import Records, same_values
from qbench.report.source import Loaded
from qbench.runs.run_info import CellResult, RunInfo
from qbench.tasks.score import readable

FEWEST = 20
"""Samples that count, below which no interval is believed."""


@dataclass(frozen=True)
class Comparison:
    """What a check of two runs finds before any score is looked at."""

    against: tuple[str, ...]
    """Why they cannot be compared; empty where they can."""
    differ: tuple[str, ...]
    """What may differ and does: weights, code and settings of cells, versions of libraries."""
    only_now: tuple[str, ...]
    """Cells that the baseline lacks, which are not checked."""


def compare(before: Loaded, now: Loaded) -> Comparison:
    """`before` is the baseline."""
    there, here = _by_place(before.info), _by_place(now.info)
    against = [*_of_runs(before.info, now.info)]
    if not any(result.status == "done" for result in there.values()):
        against.append("the baseline has no finished cell")
    for place, result in there.items():
        if result.status == "done":
            against += _of_cells(place, result, here.get(place), before, now)
    only_now = tuple(_named(place) for place in here if place not in there or there[place].status != "done")
    return Comparison(tuple(against), tuple(_differences(before.info, now.info)), only_now)


def _by_place(info: RunInfo) -> Mapping[tuple[str, ...], CellResult]:
    return {result.cell.in_tables: result for result in info.cells}


def _named(place: tuple[str, ...]) -> str:
    return " / ".join(place)


def _of_runs(before: RunInfo, now: RunInfo) -> Iterator[str]:
    for what in ("suite", "version", "seed"):
        was, is_now = getattr(before, what), getattr(now, what)
        if was != is_now:
            yield f"the baseline is of {what} {was!r}, the run of {is_now!r}"


def _of_cells(
    place: tuple[str, ...], was: CellResult, result: CellResult | None, before: Loaded, now: Loaded
) -> Iterator[str]:
    """Why a finished cell of the baseline has nothing to be compared with."""
    where = _named(place)
    if result is None:
        yield f"{where}: the run has no such cell"
        return
    if result.status != "done":
        yield f"{where}: {result.status}{f' ({result.reason})' if result.reason else ''}"
        return
    yield from (f"{where}: {text}" for text in _of_items(was.cell, result.cell))
    if before.info.sources[was.cell.source].whole != now.info.sources[result.cell.source].whole:
        yield f"{where}: the samples are others (their ids or their contents)"
        return
    yield from (
        f"{where}: {text}" for text in _of_records(before.records[was.cell.place], now.records[result.cell.place])
    )


def _of_items(was: Cell, cell: Cell) -> Iterator[str]:
    for what in ("dataset", "condition", "model", "method"):
        item, item_now = getattr(was, what), getattr(cell, what)
        if item.name != item_now.name:
            yield f"the {what} was {item.name!r} and is {item_now.name!r}"
    if was.condition.params != cell.condition.params:
        yield f"the condition had the parameters {was.condition.params} and has {cell.condition.params}"
    if was.metrics != cell.metrics:
        yield "its metrics are others"


def _of_records(was: Records, now: Records) -> Iterator[str]:
    good, good_now = readable(was), readable(now)
    if not np.array_equal(good, good_now):
        yield f"{int(good.sum())} samples could be used, and now {int(good_now.sum())}; they must be the same"
    elif good.sum() < FEWEST:
        yield f"{int(good.sum())} samples are too few; at least {FEWEST} can be compared"
    else:
        others = (
            name for name in ("id", "target") if name in was and name in now and not same_values(was[name], now[name])
        )
        yield from (f"its records hold other {name}s, or in another order" for name in others)


def _differences(before: RunInfo, now: RunInfo) -> Iterator[str]:
    names = sorted({*before.environment, *now.environment})
    for name in names:
        was, is_now = before.environment.get(name), now.environment.get(name)
        if was != is_now:
            yield f"{name}: {was} before, {is_now} now"
    there = _by_place(before)
    pairs = [(was.cell, result.cell) for place, result in _by_place(now).items() if (was := there.get(place))]
    yield from dict.fromkeys(
        f"weights of {cell.method.label} on {cell.model.label}: {was.weights_sha256[:16]} before, "
        f"{cell.weights_sha256[:16]} now"
        for was, cell in pairs
        if was.weights_sha256 != cell.weights_sha256
    )
    changed = sum(was.key != cell.key for was, cell in pairs)
    if changed:
        yield f"{changed} of {len(pairs)} cells have another key: code, settings, weights or libraries changed"
