"""How often the gate fails where nothing became worse, and what drops it sees.

    OMP_NUM_THREADS=1 python -m benchmarks.gate_calibration [--pairs N] [--report NAME ...]

The committed records of a report stand for the world. In a pair of runs without a difference, a coin for each sample
says which of two methods' predictions are those of before and which are those of now: what a sample gets right differs
between the two as between real methods, and neither run is better. A false alarm is any non-zero exit of the whole
gate with its default rules. For top-1 the power is that for a drop of 2 points on 2,000 samples of which 7 % are
right in one run alone; for all metrics, the drop of each average that the gate says it sees in nine of ten cases.
Writes benchmarks/results/gate_calibration.json."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.compute.cell import Cell
from qbench.gate.check import check
from qbench.gate.rules import Rules
from qbench.report.columns import Records
from qbench.report.source import Loaded, load

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ("jpeg", "segmentation", "detection", "restoration")
TODAY = date(2026, 1, 1)
SAMPLES, DISCORDANT, DROP = 2000, 0.07, 0.02
KEPT = ("id", "target", "group", "error", "bpp", "facts")
"""Columns that are the sample's, whatever predicts."""
Flags = NDArray[np.bool_]


def partners(cells: Sequence[Cell]) -> Mapping[str, str]:
    """For each cell, by place, that of the next method under the same condition."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset.label, cell.view.label, cell.condition.label, cell.model.label), []).append(
            cell.place
        )
    return {place: places[(i + 1) % len(places)] for places in groups.values() for i, place in enumerate(places)}


def mixed(one: Records, other: Records, coins: Flags) -> Records:
    """The records of one, with the other's where the coin says so."""
    columns = {}
    for name, values in one.items():
        columns[name] = values.copy()
        if name not in KEPT and name in other and other[name].shape[1:] == values.shape[1:]:
            columns[name][coins] = other[name][coins]
    return columns


def null_pair(world: Loaded, rng: np.random.Generator) -> tuple[Loaded, Loaded]:
    """Two runs of which none is better."""
    cells = [result.cell for result in world.info.cells if result.status == "done"]
    other = partners(cells)
    coins = {cell.source: rng.random(cell.samples) < 0.5 for cell in cells}
    sides = []
    for of_source in (coins, {source: ~flags for source, flags in coins.items()}):
        records = {
            cell.place: mixed(world.records[cell.place], world.records[other[cell.place]], of_source[cell.source])
            for cell in cells
        }
        sides.append(replace(world, records=records, efficiency=()))
    return sides[0], sides[1]


def false_alarms(world: Loaded, pairs: int) -> int:
    rng = np.random.default_rng(0)
    return sum(check(*null_pair(world, rng), Rules(), TODAY).exit_code != 0 for _ in range(pairs))


def resampled(world: Loaded, cell: Cell, samples: int, rng: np.random.Generator) -> Loaded:
    """A run of one cell on so many samples, drawn with replacement."""
    drawn = rng.integers(0, cell.samples, samples)
    records = {name: values[drawn] for name, values in world.records[cell.place].items()}
    records["id"] = np.array([f"sample {i}" for i in range(samples)])
    source = world.info.sources[cell.source].model_copy(update={"samples": samples})
    here = cell.model_copy(update={"samples": samples, "source": 0})
    results = tuple(r.model_copy(update={"cell": here}) for r in world.info.cells if r.cell is cell)
    info = world.info.model_copy(update={"sources": (source,), "cells": results, "controls": (), "published": ()})
    return replace(world, info=info, records={here.place: records}, efficiency=())


def with_drop(run: Loaded, lost: float, won: float, rng: np.random.Generator) -> Loaded:
    """The same run, in which these shares of all samples became misses and hits."""
    ((place, records),) = run.records.items()
    rank = records["rank"].copy()
    for before, after, share in ((rank == 0, 1, lost), (rank > 0, 0, won)):
        can = np.flatnonzero(before)
        rank[rng.choice(can, min(len(can), rng.binomial(len(rank), share)), replace=False)] = after
    return replace(run, records={place: {**records, "rank": rank}})


def power_of_top1(world: Loaded, pairs: int) -> float:
    """How often the gate fails on the drop that it must see."""
    cell = next(
        r.cell for r in world.info.cells if r.cell.method.name == "direct" and r.cell.condition.family != "clean"
    )
    rng, seen = np.random.default_rng(1), 0
    for _ in range(pairs):
        before = resampled(world, cell, SAMPLES, rng)
        now = with_drop(before, (DISCORDANT + DROP) / 2, (DISCORDANT - DROP) / 2, rng)
        seen += check(before, now, Rules(), TODAY).exit_code == 1
    return seen / pairs


def drops_seen(world: Loaded) -> Iterator[dict[str, Any]]:
    """What the gate says of the smallest drops that it sees, for the averages of one pair without a difference."""
    before, now = null_pair(world, np.random.default_rng(2))
    for one in check(before, now, Rules(), TODAY).judged:
        if one.figure.kind == "average":
            yield {"figure": one.figure.name, "n": one.figure.n, "drop": round(one.smallest, 5)}


def study(name: str, pairs: int) -> dict[str, Any]:
    world = load(ROOT / "reports" / name, whole=True)
    alarms = false_alarms(world, pairs)
    result: dict[str, Any] = {"report": name, "pairs": pairs, "false alarms": alarms, "share": round(alarms / pairs, 4)}
    if name == "jpeg":
        result["power"] = power_of_top1(world, pairs)
    return {**result, "drops seen in nine of ten cases": list(drops_seen(world))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--report", nargs="+", default=list(REPORTS), choices=REPORTS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gate_calibration.json")
    given = parser.parse_args()
    rows = [study(name, given.pairs) for name in given.report]
    command = f"OMP_NUM_THREADS=1 python -m benchmarks.gate_calibration --pairs {given.pairs}"
    given.out.write_text(json.dumps({"command": command, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        power = f", power {row['power']:.3f}" if "power" in row else ""
        print(f"{row['report']}: {row['false alarms']} of {row['pairs']} ({row['share']:.1%}) false alarms{power}")


if __name__ == "__main__":
    main()
