"""Runs of drawn records, written through the store as the engine writes them, for the benchmark of reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from qbench.compute.cell import Cell, ConditionItem, DatasetItem, Item, MethodItem, MetricItem, Shard, Source
from qbench.data.views import ViewSpec
from qbench.runs import run_info
from qbench.runs.run_info import CellResult, RunInfo
from qbench.runs.store import prepare, shard_file, table_of, write_records

CLEAN = ConditionItem(name="clean", label="clean", family="clean", axis=None)
CLASSES = {"classification": 1000, "detection": 80}


@dataclass(frozen=True)
class Shape:
    """How much there is to report."""

    task: str
    samples: int
    models: int
    methods: int
    qualities: int
    times: int
    metrics: tuple[str, ...]

    @property
    def conditions(self) -> list[ConditionItem]:
        jpeg = [("jpeg", "quality", float(100 - 90 * i // max(1, self.qualities))) for i in range(self.qualities)]
        rejpeg = [("rejpeg", "times", float(i + 2)) for i in range(self.times)]
        return [CLEAN, *(ConditionItem(name=n, label=f"{n} {x:g}", family=n, axis=(a, x)) for n, a, x in jpeg + rejpeg)]

    @property
    def count(self) -> int:
        """Cells."""
        return self.models * self.methods * len(self.conditions)


SHAPES = {
    "classification": Shape("classification", 50_000, 2, 5, 6, 3, ("top1",)),
    "pairs": Shape("classification", 50_000, 1, 20, 4, 0, ("top1",)),
    "shipped": Shape("classification", 300, 5, 4, 6, 4, ("top1",)),
    "detection": Shape("detection", 5_000, 2, 4, 3, 0, ("ap",)),
}
"""`classification` has 100 cells; so has `pairs`, whose 20 methods are compared with each other; `detection` has 32,
`shipped` the 220 of the largest suite that ships."""


def write(shape: Shape, run: Path) -> list[Path]:
    """Write a run; returns its files of records."""
    shard = Shard(start=0, stop=shape.samples, name="0-whole")
    cells = tuple(CellResult(cell=cell, status="done") for cell in _cells(shape))
    dataset = cells[0].cell.dataset
    info = RunInfo(
        suite="drawn", title="Drawn records", version=1, seed=1, command="python -m benchmarks.report_speed",
        tables=("accuracy-by-quality", "accuracy-by-times"), cells=cells, environment={},
        store=".", sources=(Source(dataset=dataset, samples=shape.samples, whole=shard),),
    )  # fmt: skip
    prepare(run, print)
    drawn = {"classification": Labels, "detection": Objects}[shape.task](shape.samples)
    for number, result in enumerate(cells):
        table = table_of({**_shared(shape, number), **drawn.columns(number)})
        write_records(run, result.cell.key, shard, table, ("a processor",))
    run_info.write(run, info)
    return [shard_file(run, result.cell.key, shard.name) for result in cells]


def _cells(shape: Shape) -> Iterator[Cell]:
    dataset = DatasetItem(name="drawn", label="drawn", own_label="drawn")
    places = product(range(shape.models), shape.conditions, range(shape.methods))
    for number, (model, condition, method) in enumerate(places):
        name = "direct" if method == 0 else f"method {method}"
        yield Cell(
            key=f"{number:08x}", task=shape.task, source=0, dataset=dataset, samples=shape.samples, train_seed=0,
            view=ViewSpec(resize=256, crop=224), condition=condition, cost=None,
            model=Item(name=f"net {model}", label=f"net {model}"),
            method=MethodItem(name=name, label=name, site="none"), metrics=tuple(map(_metric, shape.metrics)),
        )  # fmt: skip


def _metric(name: str) -> MetricItem:
    return MetricItem(name=name)


def _shared(shape: Shape, number: int) -> Mapping[str, Any]:
    """The columns of every task. One sample in 10,000 cannot be read."""
    condition = shape.conditions[number // shape.methods % len(shape.conditions)]
    ids = [f"val/n{i % 1000:08d}/ILSVRC2012_val_{i:08d}.JPEG" for i in range(shape.samples)]
    rates = np.random.default_rng(number // shape.methods).uniform(0.2, 3, shape.samples).astype(np.float32)
    facts = [f'{{"quality": {condition.axis[1]:g}}}' if condition.axis else "{}"] * shape.samples
    errors = [f"{one} cannot be read as a picture" if i % 10_000 == 77 else "" for i, one in enumerate(ids)]
    return {"id": ids, "group": [""] * shape.samples, "facts": facts, "error": errors, "bpp": rates}


def _readable(samples: int) -> Any:
    return np.arange(samples) % 10_000 != 77


class Labels:
    """Classification: records of a network that is right three times in four on easy pictures."""

    def __init__(self, samples: int) -> None:
        self.target = np.random.default_rng(0).integers(0, CLASSES["classification"], samples)
        self.ease = np.random.default_rng(1).normal(size=samples)

    def columns(self, number: int) -> Mapping[str, Any]:
        generator, known = np.random.default_rng([2, number]), _readable(len(self.target))
        margin = self.ease + generator.normal(size=len(self.ease)) * 0.5 + 0.7 - number % 7 * 0.1
        rank = np.where(margin > 0, 0, np.minimum(1 + (-20 * margin).astype(int), 999))
        top = (self.target[:, None] + np.arange(5) - np.minimum(rank, 4)[:, None]) % 1000
        prediction = np.where(rank == 0, self.target, (self.target + 1) % 1000)
        share = 1 / (1 + np.exp(-margin))
        return {
            **{name: np.where(known, values, -1).astype(np.int32)
               for name, values in (("target", self.target), ("prediction", prediction), ("rank", rank))},
            "top5": list(top.astype(np.int32)),
            **{name: np.where(known, values, np.nan).astype(np.float32)
               for name, values in (("confidence", np.maximum(share, 1 - share)), ("nll", -np.log(share)),
                                    ("brier", 2 * (1 - share) ** 2))},
        }  # fmt: skip


class Objects:
    """Detection: 7 objects a picture, of COCO's sizes, and 36 detections, one in five of them near an object."""

    def __init__(self, samples: int) -> None:
        generator = np.random.default_rng(0)
        self.known = _readable(samples)
        self.counts = np.where(self.known, generator.poisson(7, samples), 0)
        total = int(self.counts.sum())
        self.labels = (CLASSES["detection"] * generator.uniform(0, 1, total) ** 2).astype(np.int32)
        origin, size = generator.uniform(0, 400, (total, 2)), np.exp(generator.normal(3.8, 0.9, (total, 2)))
        self.corners = np.concatenate([origin, origin + size], axis=1).astype(np.float32)

    def columns(self, number: int) -> Mapping[str, Any]:
        generator = np.random.default_rng([2, number])
        rows = np.flatnonzero(self.known)
        found = generator.random(len(self.labels)) < 0.8
        others = generator.choice(rows, 29 * len(rows))
        drift = generator.normal(0, 0.08 + number % 7 * 0.02, (int(found.sum()), 4))
        near = self.corners[found] + (drift * np.tile(_sizes(self.corners[found]), 2)).astype(np.float32)
        origin, size = generator.uniform(0, 400, (len(others), 2)), np.exp(generator.normal(3.8, 0.9, (len(others), 2)))
        corners = np.concatenate([_ordered(near), np.concatenate([origin, origin + size], axis=1)])
        labels = np.concatenate([self.labels[found], generator.integers(0, CLASSES["detection"], len(others))])
        scores = np.concatenate([generator.beta(4, 2, len(near)), generator.beta(1, 6, len(others))])
        image = np.concatenate([np.repeat(np.arange(len(self.known)), self.counts)[found], others])
        order = np.lexsort((-scores, image))
        ends, true = (np.cumsum(n)[:-1] for n in (np.bincount(image, minlength=len(self.known)), self.counts))
        area = np.prod(_sizes(self.corners), axis=1, dtype=np.float64)
        detections = {"det_corners": corners, "det_scores": scores, "det_labels": labels}
        kinds = {"det_corners": np.float32, "det_scores": np.float32, "det_labels": np.int32}
        objects = {"gt_corners": self.corners, "gt_labels": self.labels,
                   "gt_crowd": np.zeros(len(area), np.uint8), "gt_area": area}  # fmt: skip
        return {
            **{name: [part.ravel() for part in np.split(values[order].astype(kinds[name]), ends)]
               for name, values in detections.items()},
            **{name: [part.ravel() for part in np.split(values, true)] for name, values in objects.items()},
            "labelled": self.known.astype(np.uint8),
        }  # fmt: skip


def _sizes(corners: Any) -> Any:
    return corners[:, 2:] - corners[:, :2]


def _ordered(corners: Any) -> Any:
    """With x0 <= x1 and y0 <= y1."""
    return np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1)
