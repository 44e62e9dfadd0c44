"""How often the gate fails where nothing became worse, and what drop it sees.

    OMP_NUM_THREADS=1 python -m benchmarks.gate_calibration [--pairs N] [--drops N] [--report NAME ...]

The committed records of a report stand for the world, from which the samples of each pair of runs are drawn with
replacement. In a pair without a difference, a coin for each sample says which of two methods' predictions are those of
before and which are those of now: the two runs differ as real methods do, and neither is better. A false alarm is any
non-zero exit of the whole gate with its default rules.

A drop is planted in one method alone: some samples are predicted as under the report's harshest compression, and one in
ten as by direct, in either of the two runs. `caught` is the share of pairs on which the gate fails, by how far the
method's average falls in the world; between two drops it is interpolated. For top-1 there is also the power for a drop
of 2 points on 2,000 samples of which 7 % are right in one run alone. Each report is one process, so that several may
run at once; results are kept in benchmarks/results/gate_calibration.json by report."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.compute.cell import Cell
from qbench.gate.check import Checked, check
from qbench.gate.rules import Rules
from qbench.report.columns import Records
from qbench.report.source import Loaded, load

ROOT = Path(__file__).resolve().parent.parent
TODAY = date(2026, 1, 1)
TOP1_SAMPLES, DISCORDANT, TOP1_DROP = 2000, 0.07, 0.02
NOISE = 0.1
"""Of the samples, beside those of a planted drop, that are predicted as by another method in one of the two runs."""
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6)
"""Of the samples that a planted drop meets."""
WANTED = 0.9
KEPT = ("id", "target", "group", "error", "bpp", "facts", "labelled")
"""Columns that are the sample's, whatever predicts, besides those of objects (`gt_`)."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Study:
    """A report, the method that a drop is planted in, and the condition whose predictions it then gives."""

    report: str
    method: str
    harshest: str
    metric: str
    conditions: tuple[str, ...] = ()
    """Those that are simulated; all, where none are named."""
    metrics: tuple[str, ...] = ()
    """Those that the simulated gate compares; all of the report, where none are named."""


STUDIES = {
    study.report: study
    for study in (
        Study("jpeg", "afd", "jpeg@7", "top1"),
        Study("segmentation", "afd", "jpeg@7", "miou"),
        Study("detection", "afd", "jpeg@7", "ap", ("clean", "jpeg@25", "jpeg@10", "jpeg@7"), ("ap",)),
        Study("restoration", "dncnn-small", "jpeg@7", "psnr"),
    )
}


def world_of(study: Study) -> Loaded:
    """The records of a report, of the conditions and metrics that are simulated."""
    loaded = load(ROOT / "reports" / study.report, whole=True)
    results = tuple(
        result.model_copy(update={"cell": _with_metrics(result.cell, study.metrics)})
        for result in loaded.info.cells
        if result.status == "done" and (not study.conditions or result.cell.condition.label in study.conditions)
    )
    records = {result.cell.place: loaded.records[result.cell.place] for result in results}
    return replace(loaded, info=loaded.info.model_copy(update={"cells": results}), records=records, efficiency=())


def _with_metrics(cell: Cell, names: tuple[str, ...]) -> Cell:
    kept = tuple(metric for metric in cell.metrics if not names or metric.name in names)
    return cell.model_copy(update={"metrics": kept})


def cells_of(world: Loaded) -> list[Cell]:
    return [result.cell for result in world.info.cells]


def redrawn(world: Loaded, rng: np.random.Generator) -> Loaded:
    """As many samples, drawn with replacement, the same of all cells."""
    count = cells_of(world)[0].samples
    drawn, names = rng.integers(0, count, count), np.array([f"sample {number}" for number in range(count)])
    records = {
        place: {name: names if name == "id" else values[drawn] for name, values in columns.items()}
        for place, columns in world.records.items()
    }
    return replace(world, records=records)


def predicted(one: Records, other: Records, chosen: Flags) -> Records:
    """The records of one, with the other's predictions of the samples that are chosen."""
    columns = {}
    for name, values in one.items():
        own = name in KEPT or name.startswith("gt_")
        columns[name] = values if own else _chosen(values, other[name], chosen)
    return columns


def _chosen(values: NDArray[Any], others: NDArray[Any], chosen: Flags) -> NDArray[Any]:
    if values.shape == others.shape and values.dtype == others.dtype:
        return np.where(chosen.reshape(-1, *[1] * (values.ndim - 1)), others, values)
    rows = np.empty(len(values), dtype=object)
    rows[:] = [other if take else value for value, other, take in zip(values, others, chosen, strict=True)]
    return rows


def partners(cells: Sequence[Cell]) -> Mapping[str, str]:
    """For each cell, by place, that of the next method under the same condition."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset.label, cell.view.label, cell.condition.label, cell.model.label), []).append(
            cell.place
        )
    return {place: places[(i + 1) % len(places)] for places in groups.values() for i, place in enumerate(places)}


def null_pair(world: Loaded, rng: np.random.Generator) -> tuple[Loaded, Loaded]:
    """Two runs of which none is better."""
    drawn = redrawn(world, rng)
    cells = cells_of(drawn)
    other = partners(cells)
    coins = rng.random(cells[0].samples) < 0.5
    before, now = (
        {place: predicted(drawn.records[place], drawn.records[other[place]], flags) for place in other}
        for flags in (coins, ~coins)
    )
    return replace(drawn, records=before), replace(drawn, records=now)


def false_alarms(world: Loaded, pairs: int) -> int:
    rng = np.random.default_rng(0)
    return sum(check(*null_pair(world, rng), Rules(), TODAY).exit_code != 0 for _ in range(pairs))


def dropped_pair(world: Loaded, study: Study, share: float, rng: np.random.Generator) -> tuple[Loaded, Loaded]:
    """A run, and one whose `study.method` predicts that share of the samples as under the harshest condition."""
    drawn = redrawn(world, rng)
    cells = {(cell.method.name, cell.condition.label): cell.place for cell in cells_of(drawn)}
    worse = drawn.records[cells[study.method, study.harshest]]
    uniform = rng.random(len(worse["id"]))
    met, noise = uniform < share, uniform > 1 - NOISE
    coins = rng.random(len(met)) < 0.5
    before, now = dict(drawn.records), dict(drawn.records)
    for (method, condition), place in cells.items():
        if method == study.method and condition not in ("clean", study.harshest):
            direct = drawn.records[cells["direct", condition]]
            before[place] = predicted(drawn.records[place], direct, noise & coins)
            now[place] = predicted(predicted(drawn.records[place], direct, noise & ~coins), worse, met)
    return replace(drawn, records=before), replace(drawn, records=now)


def drops(world: Loaded, study: Study, pairs: int) -> Iterator[dict[str, float]]:
    """For each share of samples: how far the method's average falls, and how often the gate says so."""
    for number, share in enumerate(SHARES):
        rng = np.random.default_rng([1, number])
        seen = [check(*dropped_pair(world, study, share, rng), Rules(), TODAY) for _ in range(pairs)]
        caught = float(np.mean([one.exit_code != 0 for one in seen]))
        yield {"drop": round(-float(np.mean([_change(one, study) for one in seen])), 5), "caught": round(caught, 4)}
        if caught == 1:
            return


def _change(checked: Checked, study: Study) -> float:
    (figure,) = (
        one.figure for one in checked.judged
        if (one.figure.kind, one.figure.method, one.figure.metric) == ("average", study.method, study.metric)
    )  # fmt: skip
    return figure.change


def caught_with(curve: Sequence[Mapping[str, float]]) -> float | None:
    """The drop that is caught in nine of ten cases, between two that were simulated; None where none is."""
    drop, caught = ([0.0, *(one[name] for one in curve)] for name in ("drop", "caught"))
    rising = np.maximum.accumulate(caught)
    return round(float(np.interp(WANTED, rising, drop)), 5) if rising[-1] >= WANTED else None


def of_samples(world: Loaded, cell: Cell, samples: int, rng: np.random.Generator) -> Loaded:
    """A run of one cell on so many samples, drawn with replacement."""
    drawn = rng.integers(0, cell.samples, samples)
    records = {name: values[drawn] for name, values in world.records[cell.place].items()}
    records["id"] = np.array([f"sample {number}" for number in range(samples)])
    whole = world.info.sources[cell.source].whole.model_copy(update={"stop": samples})
    source = world.info.sources[cell.source].model_copy(update={"samples": samples, "whole": whole})
    here = cell.model_copy(update={"samples": samples, "source": 0})
    results = tuple(r.model_copy(update={"cell": here}) for r in world.info.cells if r.cell is cell)
    info = world.info.model_copy(update={"sources": (source,), "cells": results, "controls": (), "published": ()})
    return replace(world, info=info, records={here.place: records}, efficiency=())


def with_flips(run: Loaded, lost: float, won: float, rng: np.random.Generator) -> Loaded:
    """The same run, in which these shares of all samples became misses and hits."""
    ((place, records),) = run.records.items()
    rank = records["rank"].copy()
    for before, after, share in ((records["rank"] == 0, 1, lost), (records["rank"] > 0, 0, won)):
        can = np.flatnonzero(before)
        rank[rng.choice(can, min(len(can), rng.binomial(len(rank), share)), replace=False)] = after
    return replace(run, records={place: {**records, "rank": rank}})


def power_of_top1(world: Loaded, pairs: int) -> float:
    """How often the gate fails on the drop of top-1 that it must see."""
    cell = next(c for c in cells_of(world) if c.method.name == "direct" and c.condition.label == "jpeg@15")
    rng, seen = np.random.default_rng(2), 0
    for _ in range(pairs):
        before = of_samples(world, cell, TOP1_SAMPLES, rng)
        now = with_flips(before, (DISCORDANT + TOP1_DROP) / 2, (DISCORDANT - TOP1_DROP) / 2, rng)
        seen += check(before, now, Rules(), TODAY).exit_code == 1
    return seen / pairs


def result_of(study: Study, pairs: int, drop_pairs: int) -> dict[str, Any]:
    start = time.perf_counter()
    world = world_of(study)
    alarms = false_alarms(world, pairs)
    curve = list(drops(world, study, drop_pairs))
    cells = cells_of(world)
    result: dict[str, Any] = {
        "samples": cells[0].samples, "cells": len(cells), "pairs": pairs, "false alarms": alarms,
        "share": round(alarms / pairs, 4), "metric": study.metric, "method": study.method, "pairs a drop": drop_pairs,
        "drops": curve, "caught in nine of ten": caught_with(curve),
    }  # fmt: skip
    if study.metric == "top1":
        result["power for 2 points on 2,000"] = power_of_top1(world, pairs)
    command = f"python -m benchmarks.gate_calibration --pairs {pairs} --drops {drop_pairs} --report {study.report}"
    return {"command": f"OMP_NUM_THREADS=1 {command}", **result, "seconds": round(time.perf_counter() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--drops", type=int, default=200, help="pairs for each planted drop")
    parser.add_argument("--report", nargs="+", default=list(STUDIES), choices=list(STUDIES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gate_calibration.json")
    given = parser.parse_args()
    for name in given.report:
        row = result_of(STUDIES[name], given.pairs, given.drops)
        print(f"{name}: {json.dumps(row, indent=1)}", flush=True)
        kept = json.loads(given.out.read_text("utf-8")) if given.out.exists() else {}
        given.out.write_text(json.dumps({**kept, name: row}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
