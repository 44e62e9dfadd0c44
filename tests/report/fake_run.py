"""Runs made of given hits, written through the store as the engine writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qbench.compute.cell import Cell, ConditionItem, DatasetItem, Item, MethodItem, MetricItem, Shard, Source
from qbench.data.views import ViewSpec
from qbench.report.build import build
from qbench.report.leaderboard import Group, Report, Table, Value
from qbench.report.source import Loaded
from qbench.runs.cost_record import EfficiencyRecord
from qbench.runs.run_info import CellResult, RunInfo, Status
from qbench.runs.store import prepare, table_of, write_records
from qbench.storage.files import write_text
from qbench.suite.published import Shown
from qbench.suite.schema import Control

TABLES = ("accuracy-by-quality", "accuracy-by-times", "efficiency")


def table(report: Report | Path, name: str) -> Table:
    """The table of that name, of a report or of the run in a folder."""
    (named,) = (
        table for table in (report if isinstance(report, Report) else build(report)).tables if table.name == name
    )
    return named


def row(group: Group, method: str) -> dict[str, Value]:
    """A method's values by column."""
    (values,) = (row.values for row in group.rows if row.method == method)
    return {column.name: value for column, value in zip(group.columns, values, strict=True)}


def axis_of(condition: str) -> tuple[str, float] | None:
    if condition.startswith("jpeg@"):
        return "quality", float(condition[5:])
    if "/" in condition:
        return "severity", float(condition.split("/")[1])
    return ("times", float(condition[7:])) if condition.startswith("rejpeg×") else None


def source(samples: int, classes: tuple[str, ...] = ()) -> Source:
    """A dataset whose records lie in files of the name `a`."""
    dataset = DatasetItem(name="data", label="data", own_label="data")
    return Source(dataset=dataset, samples=samples, whole=Shard(start=0, stop=samples, name="a"), classes=classes)


def condition_of(label: str) -> ConditionItem:
    """`jpeg@10`, `rejpeg×3` and `fog/4`, with the name before the sign."""
    name = re.split("[@×/]", label)[0]
    return ConditionItem(name=name, label=label, family=name, axis=axis_of(label))


class FakeRun:
    """Collects cells; `write` makes a run directory that is its own store."""

    def __init__(
        self, samples: int, *, tables: Sequence[str] = TABLES, title: str = "A fake run", metric: str = "top1"
    ) -> None:
        self.samples, self.tables, self.title, self.metric = samples, tuple(tables), title, metric
        self.cells: list[CellResult] = []
        self.columns: dict[str, dict[str, object]] = {}
        self.efficiency: list[EfficiencyRecord] = []
        self.controls: list[Control] = []
        self.published: list[Shown] = []

    def cell(
        self,
        method: str,
        condition: str,
        hits: Sequence[int] | None = None,
        *,
        bad: Sequence[int] = (),
        unlabelled: Sequence[int] = (),
        status: Status = "done",
        reason: str = "",
        model: str = "net",
        dataset: str = "data",
        oracle: bool = False,
        train_seed: int = 0,
        bpp: float = float("nan"),
        groups: Sequence[str] = (),
    ) -> None:
        """`hits`: 1 where the sample is right; `bad` and `unlabelled`: indices of such samples; `groups`: what each
        sample belongs to."""
        key = f"{len(self.cells):04x}abcd"
        self.cells.append(
            CellResult(
                cell=Cell(
                    key=key, task="classification", source=0, view=ViewSpec(resize=None, crop=8), cost=None,
                    dataset=DatasetItem(name=dataset, label=dataset, own_label=dataset), samples=self.samples,
                    condition=condition_of(condition), model=Item(name=model, label=model), train_seed=train_seed,
                    method=MethodItem(name=method, label=method, site="none", oracle=oracle),
                    metrics=(MetricItem(name=self.metric),),
                ),
                status=status, reason=reason,
            )
        )  # fmt: skip
        if hits is not None:
            self.columns[key] = records(np.asarray(hits), bad, unlabelled, seed=len(self.cells))
            if groups:
                known = self.columns[key]["error"] == ""
                self.columns[key]["group"] = np.where(known, np.array(groups, dtype=object), "")
            rates = bpp + np.linspace(-0.1, 0.1, self.samples)
            self.columns[key]["bpp"] = np.where(self.columns[key]["error"] == "", rates, np.nan).astype(np.float32)

    def cost(self, method: str, median: float, extra: int = 0, *, model: str = "net") -> None:
        self.efficiency.append(
            EfficiencyRecord(
                model=Item(name=model, label=model), method=MethodItem(name=method, label=method, site="none"),
                parameters_extra=extra, parameters_total=1_000_000 + extra,
                macs_extra=extra * 1000, macs_total=10**9 + extra * 1000, median_ms=median,
                iqr_ms=(median * 0.9, median * 1.2), repeats=30, threads=1, device="a processor", size=(8, 8),
            )
        )  # fmt: skip

    def info(self) -> RunInfo:
        return RunInfo(
            suite="fake", title=self.title, version=3, seed=7, command="qbench run fake.yaml", tables=self.tables,
            store=".", sources=(source(self.samples),), cells=tuple(self.cells),
            controls=tuple(self.controls), published=tuple(self.published),
            costs=tuple(f"{index}.json" for index in range(len(self.efficiency))),
            environment={"torch": "2.13.0", "threads": 1, "libraries": {"pillow": "12.0", "numpy": "2.4"}},
        )  # fmt: skip

    def loaded(self) -> Loaded:
        """The run without files."""
        records = {f"{key}/0": {name: _column(values) for name, values in columns.items()}
                   for key, columns in self.columns.items()}  # fmt: skip
        return Loaded(self.info(), records, tuple(self.efficiency))

    def write(self, run: Path) -> Path:
        prepare(run, print)
        for key, columns in self.columns.items():
            write_records(run, key, source(self.samples).whole, table_of(columns), ("a processor",))
        for index, record in enumerate(self.efficiency):
            write_text(run / "efficiency" / f"{index}.json", json.dumps(record.model_dump()))
        write_text(run / "run.json", self.info().model_dump_json())
        return run


def _column(values: object) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(np.str_) if array.dtype == object else array


def records(hits: np.ndarray, bad: Sequence[int], unlabelled: Sequence[int], seed: int) -> dict[str, object]:
    """Columns as a cell's records hold them."""
    count = len(hits)
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 1000, count).astype(np.int32)
    rank = np.where(hits == 1, 0, generator.integers(1, 50, count)).astype(np.int32)
    prediction = np.where(hits == 1, target, (target + 1) % 1000).astype(np.int32)
    confidence = generator.uniform(0.01, 1, count).astype(np.float32)
    nll = generator.exponential(1, count).astype(np.float32)
    error = np.array(["" for _ in range(count)], dtype=object)
    rank[list(unlabelled)], target[list(unlabelled)], nll[list(unlabelled)] = -1, -1, np.nan
    error[list(bad)] = "cannot be decoded"
    target[list(bad)], rank[list(bad)], prediction[list(bad)] = -1, -1, -1
    confidence[list(bad)], nll[list(bad)] = np.nan, np.nan
    return {
        "id": np.array([f"photo-{i:05d}.jpg" for i in range(count)], dtype=object),
        "target": target, "prediction": prediction, "rank": rank,
        "top5": [np.zeros(5, dtype=np.int32)] * count,
        "confidence": confidence, "nll": nll,
        "group": np.array([""] * count, dtype=object), "brier": np.minimum(nll / 2, 2),
        "facts": np.array(["{}"] * count, dtype=object), "error": error,
    }  # fmt: skip
