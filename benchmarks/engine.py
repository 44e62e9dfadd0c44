"""What the engine costs over the bare networks, and what it saves over a naive loop.

    OMP_NUM_THREADS=1 python -m benchmarks.engine [--rows whole direct] [--samples N] [--repetitions N]

One fixed suite, whole and its direct rows alone, is computed in three ways on the same loaded networks, in one process
with one thread, the same batches and the same memory layout:

* bare: the eager forward of every network on ready (decoded, degraded, normalised) tensors, each forward that the
  suite needs once: every model in every cell, a restorer once per condition, AFD's network in each of its cells;
* qbench: from the suite file to `run.json` in an empty folder: planning, digests of pictures and weights, decoding,
  degrading, forwards, scores, record files with fsync;
* naive: decode, degrade, restore and forward in every cell, predictions kept in memory and nothing written. Its
  predictions must equal the records.

Outside every clock: imports, building networks, loading weights. Overhead is qbench / bare, gain is naive / qbench, of
wall and of processor time. The ways take turns, and the order is reversed in every second repetition. Weights of the
restorers and of AFD, and of two models, are drawn, not trained: time does not depend on them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.engine_suite import Scale, planned, write_pictures, write_suite, write_weights
from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell
from qbench.data.decoding import decode
from qbench.draws import Draw
from qbench.runs import execute, store, units
from qbench.runs.estimate import shared_work
from qbench.runs.ledger import environment
from qbench.runs.run import run_plan
from qbench.runs.run_info import RunInfo
from qbench.runtime import fixed_threads
from qbench.vocabulary import Context

ROWS = ("whole", "direct")
UNITS = ("wall", "processor")
WAYS = ("bare", "qbench", "naive")
Predictions = dict[str, list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--samples", type=int, default=Scale.samples)
    parser.add_argument("--repetitions", type=int, default=Scale.repetitions)
    parser.add_argument("--restorers", nargs="+", default=list(Scale.restorers))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "engine.json")
    given = parser.parse_args()
    scale = Scale(given.samples, given.repetitions, restorers=tuple(given.restorers))
    before = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    result = {**before, **{row: benchmark(row, scale) for row in given.rows}}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(markdown(result))


def benchmark(rows: str, scale: Scale) -> dict[str, Any]:
    """All figures of some rows of the suite. Raises AssertionError where the naive loop and the records disagree."""
    with tempfile.TemporaryDirectory() as folder, fixed_threads(1):
        root = Path(folder)
        write_pictures(root / "pictures", scale)
        weights = write_weights(root, scale) if rows == "whole" else {}
        methods = ["direct", *({name: {"weights": str(weights[name])}} for name in weights)]
        file = write_suite(root / "suite.yaml", root, methods, scale)
        load = os.getloadavg()[0]
        measured = Case(file, root / "runs").measured(scale.repetitions)
        return {
            "command": f"OMP_NUM_THREADS=1 python -m benchmarks.engine --rows {rows} --samples {scale.samples} "
            f"--repetitions {scale.repetitions} --restorers {' '.join(scale.restorers)}",
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": {
                **environment(planned(file)),
                "cores": os.cpu_count(),
                "system": platform.platform(),
                "load average before and after": [round(load, 1), round(os.getloadavg()[0], 1)],
            },
            "scale": asdict(scale),
            **measured,
        }


@contextmanager
def clock(seconds: dict[str, float]) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    seconds["wall"], seconds["processor"] = time.perf_counter() - wall, time.process_time() - processor


class Case:
    """One suite in three ways, on one set of loaded networks."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.plan = planned(file)
        self.bench = Workbench(self.plan.sources, self.plan.settings.device)
        for cell in self.plan.cells:
            self.bench.model(cell)
            method = self.bench.method(cell)
            if cell.method.site == "feature":
                self.bench.cut(cell, method.at)
        self.runs = 0

    def measured(self, repetitions: int) -> dict[str, Any]:
        """A warm-up, then the repetitions; quartiles of times and of each repetition's ratios."""
        forwards = self.bare_forwards()
        ways: dict[str, Callable[[dict[str, float]], Any]] = {
            "bare": lambda seconds: self.bare(forwards, seconds),
            "qbench": self.qbench,
            "naive": self.naive,
        }
        taken: list[dict[str, dict[str, float]]] = []
        self.qbench({})  # warm-up: every network, every size, every file
        for repetition in range(repetitions):
            seconds: dict[str, dict[str, float]] = {way: {} for way in WAYS}
            results = {way: ways[way](seconds[way]) for way in WAYS[:: 1 if repetition % 2 == 0 else -1]}
            assert results["naive"] == results["qbench"], "the naive loop predicts otherwise than the records say"
            taken.append(seconds)
            print(f"{self.file.stem} {repetition + 1} of {repetitions}: {seconds}", file=sys.stderr, flush=True)
        return {
            "counts": self.counts(len(forwards)),
            "repetitions": repetitions,
            "seconds": {way: {unit: [one[way][unit] for one in taken] for unit in UNITS} for way in WAYS},
            "overhead": ratios(taken, "qbench", "bare"),
            "gain": ratios(taken, "naive", "qbench"),
        }

    def counts(self, forwards: int) -> dict[str, int]:
        """Samples through each step of qbench; the naive loop does every step `predictions` times or once a cell."""
        missing = units.missing_units(self.plan, units.survey(self.plan, self.folder / "nothing"))
        work = shared_work(self.plan, missing, self.bench)
        restored = sum(cell.method.site == "image" for cell in self.plan.cells) * self.plan.sources[0].samples
        return {
            "samples": self.plan.sources[0].samples, "cells": len(self.plan.cells), "predictions": work.predictions,
            "decodes": work.decodes, "degradations": work.degradations, "restorations": work.restorations,
            "naive decodes": work.predictions, "naive degradations": work.predictions, "naive restorations": restored,
            "bare forwards of batches": forwards,
        }  # fmt: skip

    def qbench(self, seconds: dict[str, float]) -> Predictions:
        self.runs += 1
        folder = self.folder / str(self.runs)
        with patch.object(execute, "bench_of", lambda job: self.bench), clock(seconds):
            info = run_plan(planned(self.file), folder, workers=1, command="benchmark")
        return recorded(folder, info)

    @torch.inference_mode()
    def naive(self, seconds: dict[str, float]) -> Predictions:
        predictions: Predictions = {}
        with clock(seconds):
            files = self.files()
            batch = self.plan.settings.batch
            for cell in self.plan.cells:
                logits = [self.cell_logits(cell, files[i : i + batch]) for i in range(0, len(files), batch)]
                predictions[cell.key] = torch.cat(logits).argmax(1).tolist()
        return predictions

    def files(self) -> list[tuple[str, Path]]:
        """Ids and files of the samples, in the order of their ids."""
        root = Path(self.plan.sources[0].dataset.params["root"])
        return [(file.relative_to(root).as_posix(), file) for file in sorted(root.rglob("*.png"))]

    def cell_logits(self, cell: Cell, files: Sequence[tuple[str, Path]]) -> Tensor:
        """A batch from its files to logits, as a script for one cell would do it."""
        model, method = self.bench.model(cell), self.bench.method(cell)
        images, context = self.degraded(cell, files)
        if cell.method.site == "image":
            restored: Tensor = method.restore(images, context)
            return model.logits(restored.contiguous(memory_format=torch.channels_last))
        if cell.method.site == "feature":
            cut = self.bench.cut(cell, method.at)
            return cut.back(method.enhance(cut.front(images), images, context), images)
        return model.logits(images)

    def degraded(self, cell: Cell, files: Sequence[tuple[str, Path]]) -> tuple[Tensor, Context]:
        view, condition = cell.view.of(self.bench.model(cell).input), self.bench.condition(cell)
        seed = self.plan.settings.seed
        pairs = [condition.apply(view.apply(decode(file)), Draw(seed, name)) for name, file in files]
        pixels = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
        images = pixels.to(torch.float32, memory_format=torch.channels_last) / 255
        return images, Context(tuple(name for name, _ in files), images, tuple(facts for _, facts in pairs))

    @torch.inference_mode()
    def bare_forwards(self) -> list[tuple[torch.nn.Module, tuple[Tensor, ...]]]:
        """Every forward that the suite needs, with its ready tensors."""
        files = self.files()
        batch = self.plan.settings.batch
        found: dict[tuple[Any, ...], tuple[torch.nn.Module, tuple[Tensor, ...]]] = {}
        kept: dict[tuple[str, str, int], Tensor] = {}
        for cell in self.plan.cells:
            model, method = self.bench.model(cell), self.bench.method(cell)
            for start in range(0, len(files), batch):
                where = (cell.condition.label, "", start)
                if where not in kept:
                    kept[where] = self.degraded(cell, files[start : start + batch])[0]
                images, at = kept[where], (cell.condition.label, cell.model.label, start)
                kept[at] = kept[at] if at in kept else model.normalise(images)
                found[cell.key, start] = (model.net, (kept[at],))
                if cell.method.site == "image":
                    found[cell.condition.label, cell.method.label, start] = (method.network, (images,))
                if cell.method.site == "feature":
                    features = ("features", cell.model.label, start)
                    if features not in kept:
                        kept[features] = self.bench.cut(cell, method.at).front(images)
                    found[cell.key, start, "enhance"] = (method.network, (kept[features], images))
        return list(found.values())

    @torch.inference_mode()
    def bare(self, forwards: Sequence[tuple[torch.nn.Module, tuple[Tensor, ...]]], seconds: dict[str, float]) -> None:
        with clock(seconds):
            for network, inputs in forwards:
                network(*inputs)


def recorded(folder: Path, info: RunInfo) -> Predictions:
    undone = [f"{r.cell.model.label} {r.cell.method.label}: {r.reason}" for r in info.cells if r.status != "done"]
    assert not undone, undone
    cells = [result.cell for result in info.cells]
    return {cell.key: store.read_cell(folder, info, cell)["prediction"].tolist() for cell in cells}


def ratios(taken: Sequence[Mapping[str, Mapping[str, float]]], upper: str, lower: str) -> dict[str, dict[str, float]]:
    """Median and quartiles over the repetitions, for each unit of time."""
    found = {}
    for unit in UNITS:
        quartiles = np.quantile([one[upper][unit] / one[lower][unit] for one in taken], [0.25, 0.5, 0.75])
        low, median, high = (round(float(value), 4) for value in quartiles)
        found[unit] = {"median": median, "low": low, "high": high, "iqr": round(high - low, 4)}
    return found


def markdown(result: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures as a table, and below it what they hold for."""
    lines = ["| rows | figure | aim | wall: median (quartiles) | processor: median (quartiles) | repetitions |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for rows, found in result.items():
        for figure, aim in (("overhead", "≤ 1.1"), ("gain", "≥ 2")):
            cells = [f"{q['median']:.3f} ({q['low']:.3f}-{q['high']:.3f})" for q in found[figure].values()]
            lines.append(f"| {rows} | {figure} | {aim} | {cells[0]} | {cells[1]} | {found['repetitions']} |")
    return "\n\n".join(["\n".join(lines), *(_told(rows, found) for rows, found in result.items())])


def _told(rows: str, found: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{what} {count}" for what, count in found["counts"].items())
    times = {way: [float(np.median(found["seconds"][way][unit])) for unit in UNITS] for way in WAYS}
    seconds = "; ".join(f"{way} {wall:.2f} / {processor:.2f}" for way, (wall, processor) in times.items())
    machine = ", ".join(f"{what} {value}" for what, value in found["machine"].items())
    return (
        f"{rows}: `{found['command']}`, {found['date']}.\nCounts: {counts}.\n"
        f"Median seconds, wall / processor: {seconds}.\nMachine: {machine}."
    )


if __name__ == "__main__":
    main()
