"""What the engine costs over the bare networks, and what it saves over a naive loop.

    OMP_NUM_THREADS=1 python -m benchmarks.engine [--rows whole direct methods] [--samples N] [--repetitions N]

One fixed suite is computed in three ways on the same loaded networks, in one process with one thread, the same batches
and the same memory layout: `whole`, its `direct` rows alone, and `methods`, which has ten methods, six of them
restorers, on small pictures.

* bare: the eager forward of every network on ready (decoded, degraded, normalised) tensors, each forward that the
  suite needs once: every model in every cell, a restorer once per condition, AFD's network in each of its cells;
* qbench: from the suite file to `run.json` in an empty folder: planning, digests of pictures and weights, decoding,
  degrading, forwards, scores, record files with fsync;
* naive: decode, degrade, restore and forward in every cell, predictions kept in memory and nothing written. Its
  predictions must equal the records.

Outside every clock: imports, building networks, loading weights. Overhead is qbench / bare, gain is naive / qbench, of
wall and of processor time. The bound of the gain is what sharing allows: the naive loop's own steps (decode, view,
degrade, stack, restore, forward, stem, enhance, head), each timed, over the same with every step once for all cells
that share it; nothing else is in it, no planning, scoring or writing. The ways take turns, and the order is reversed in
every second repetition. Weights of methods, and of two models, are drawn, not trained: time does not depend on them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.engine_suite import FEATURES, RESTORERS, Scale, planned, write_methods, write_pictures, write_suite
from benchmarks.timing import UNITS, Steps, clock, quartiles, ratios
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
from qbench.vocabulary import Context, Image

SCALES = {
    "whole": Scale(),
    "direct": Scale(samples=32, restorers=(), features=()),
    "methods": Scale(repetitions=3, picture=128, crop=48, restorers=RESTORERS, features=tuple(FEATURES)),
}
FIGURES = {"overhead": "≤ 1.1", "gain": "≥ 2", "bound": "", "gain / bound": "≥ 0.9"}
WAYS = ("bare", "qbench", "naive")
Predictions = dict[str, list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=SCALES, default=list(SCALES))
    for name, kind in (("samples", int), ("repetitions", int), ("picture", int), ("crop", int)):
        parser.add_argument(f"--{name}", type=kind, help="Default: as the rows have it.")
    parser.add_argument("--restorers", nargs="*", choices=RESTORERS)
    parser.add_argument("--features", nargs="*", choices=FEATURES)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "engine.json")
    given = vars(parser.parse_args())
    out, rows = given.pop("out"), given.pop("rows")
    asked: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v is not None}
    result = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    for row in rows:
        result[row] = benchmark(row, replace(SCALES[row], **asked))
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(markdown(result))


def benchmark(rows: str, scale: Scale) -> dict[str, Any]:
    """All figures of some rows of the suite. Raises AssertionError where the naive loop and the records disagree."""
    with tempfile.TemporaryDirectory() as folder, fixed_threads(1):
        root = Path(folder)
        write_pictures(root / "pictures", scale)
        file = write_suite(root / "suite.yaml", root, write_methods(root, scale), scale)
        load = os.getloadavg()[0]
        measured = Case(file, root / "runs").measured(scale.repetitions)
        return {
            "command": f"OMP_NUM_THREADS=1 python -m benchmarks.engine --rows {rows} {scale.words}",
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
        self.steps = Steps()  # of the naive loop that ran last

    def measured(self, repetitions: int) -> dict[str, Any]:
        """A warm-up, then the repetitions; quartiles of times and of each repetition's ratios."""
        forwards = self.bare_forwards()
        ways: dict[str, Callable[[dict[str, float]], Any]] = {
            "bare": lambda seconds: self.bare(forwards, seconds),
            "qbench": self.qbench,
            "naive": self.naive,
        }
        taken: list[dict[str, dict[str, float]]] = []
        steps: list[Steps] = []
        self.qbench({})  # warm-up: every network, every size, every file
        for repetition in range(repetitions):
            seconds: dict[str, dict[str, float]] = {way: {} for way in WAYS}
            results = {way: ways[way](seconds[way]) for way in WAYS[:: 1 if repetition % 2 == 0 else -1]}
            assert results["naive"] == results["qbench"], "the naive loop predicts otherwise than the records say"
            taken.append(seconds)
            steps.append(self.steps)
            print(f"{self.file.stem} {repetition + 1} of {repetitions}: {seconds}", file=sys.stderr, flush=True)
        return {
            "counts": self.counts(len(forwards)),
            "repetitions": repetitions,
            "seconds": {way: {unit: [one[way][unit] for one in taken] for unit in UNITS} for way in WAYS},
            "overhead": ratios(taken, "qbench", "bare"),
            "gain": ratios(taken, "naive", "qbench"),
            "bound": {unit: quartiles([one.bound(unit) for one in steps]) for unit in UNITS},
            "gain / bound": {unit: quartiles(of_bound(taken, steps, unit)) for unit in UNITS},
            "seconds of the naive steps": [one.seconds("wall") for one in steps],
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
        self.steps = Steps()
        with clock(seconds):
            files = self.files()
            batch = self.plan.settings.batch
            for cell in self.plan.cells:
                logits = [self.cell_logits(cell, files[i : i + batch], i) for i in range(0, len(files), batch)]
                predictions[cell.key] = torch.cat(logits).argmax(1).tolist()
        return predictions

    def files(self) -> list[tuple[str, Path]]:
        """Ids and files of the samples, in the order of their ids."""
        root = Path(self.plan.sources[0].dataset.params["root"])
        return [(file.relative_to(root).as_posix(), file) for file in sorted(root.rglob("*.png"))]

    def cell_logits(self, cell: Cell, files: Sequence[tuple[str, Path]], start: int) -> Tensor:
        """A batch from its files to logits, as a script for one cell would do it."""
        model, method = self.bench.model(cell), self.bench.method(cell)
        images, context = self.degraded(cell, files, start)
        condition, on, timed = cell.condition.label, cell.model.label, self.steps.timed
        if cell.method.site == "image":
            restored: Tensor = timed(
                ("restore", cell.method.label, condition, start), lambda: method.restore(images, context)
            )
            layout = torch.channels_last
            return timed(("forward", cell.key, start), lambda: model.logits(restored.contiguous(memory_format=layout)))
        if cell.method.site == "feature":
            cut = self.bench.cut(cell, method.at)
            features = timed(("stem", method.at, on, condition, start), lambda: cut.front(images))
            enhanced = timed(("enhance", cell.key, start), lambda: method.enhance(features, images, context))
            logits: Tensor = timed(("head", cell.key, start), lambda: cut.back(enhanced, images))
            return logits
        return timed(("forward", cell.key, start), lambda: model.logits(images))

    def degraded(self, cell: Cell, files: Sequence[tuple[str, Path]], start: int) -> tuple[Tensor, Context]:
        view, condition = cell.view.of(self.bench.model(cell).input), self.bench.condition(cell)
        seed, timed, under = self.plan.settings.seed, self.steps.timed, cell.condition.label
        decoded = timed(("decode", start), lambda: [decode(file) for _, file in files])
        viewed = timed(("view", str(view), start), lambda: [view.apply(image) for image in decoded])
        named = list(zip(viewed, (name for name, _ in files), strict=True))
        pairs = timed(
            ("degrade", under, str(view), start),
            lambda: [condition.apply(image, Draw(seed, name)) for image, name in named],
        )
        images = timed(("stack", under, str(view), start), lambda: stacked([image for image, _ in pairs]))
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
                    kept[where] = self.degraded(cell, files[start : start + batch], start)[0]
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


def stacked(images: Sequence[Image]) -> Tensor:
    """uint8 pictures [H, W, 3] of one size to floats [B, 3, H, W] in [0, 1], channels last."""
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return pixels.to(torch.float32, memory_format=torch.channels_last) / 255


def of_bound(taken: Sequence[Mapping[str, Mapping[str, float]]], steps: Sequence[Steps], unit: str) -> list[float]:
    """Of each repetition, the gain over its bound."""
    gains = (one["naive"][unit] / one["qbench"][unit] for one in taken)
    return [gain / one.bound(unit) for gain, one in zip(gains, steps, strict=True)]


def markdown(result: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures as a table, and below it what they hold for."""
    return "\n\n".join([table(result), *(_told(rows, found) for rows, found in result.items())])


def table(result: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each of the rows and figures, in Markdown."""
    lines = [
        "| rows | samples | figure | aim | wall: median (quartiles) | processor: median (quartiles) | repetitions |"
    ]
    lines += ["| --- " * 7 + "|"]
    for rows, found in result.items():
        samples = found["scale"]["samples"]
        for figure, aim in ((figure, aim) for figure, aim in FIGURES.items() if figure in found):
            cells = [f"{q['median']:.2f} ({q['low']:.2f}-{q['high']:.2f})" for q in found[figure].values()]
            lines.append(
                f"| {rows} | {samples} | {figure} | {aim} | {cells[0]} | {cells[1]} | {found['repetitions']} |"
            )
    return "\n".join(lines)


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
