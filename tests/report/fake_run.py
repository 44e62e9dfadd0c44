"""Runs made of given hits, written through the store as the engine writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qbench.runs.cost_record import EfficiencyRecord
from qbench.runs.run_info import CellInfo, ControlInfo, RunInfo, SourceInfo, Status
from qbench.runs.store import shard_file, write_records
from qbench.storage.files import write_text
from qbench.suite.published import Shown

TABLES = ("accuracy-by-quality", "accuracy-by-times", "efficiency")


def axis_of(condition: str) -> tuple[str, float] | None:
    if condition.startswith("jpeg@"):
        return "quality", float(condition[5:])
    if "/" in condition:
        return "severity", float(condition.split("/")[1])
    return ("times", float(condition[7:])) if condition.startswith("rejpeg×") else None


class FakeRun:
    """Collects cells; `write` makes a run directory with two shards a cell."""

    def __init__(self, samples: int, *, tables: Sequence[str] = TABLES, title: str = "A fake run") -> None:
        self.samples, self.tables, self.title = samples, tuple(tables), title
        self.cells: list[CellInfo] = []
        self.columns: dict[str, dict[str, object]] = {}
        self.efficiency: list[EfficiencyRecord] = []
        self.controls: list[ControlInfo] = []
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
    ) -> None:
        """`hits`: 1 where the sample is right; `bad` and `unlabelled`: indices of such samples."""
        key = f"{len(self.cells):04x}abcd"
        self.cells.append(
            CellInfo(
                key=key, task="classification", dataset=dataset, source=0, view="crop 8", condition=condition,
                axis=axis_of(condition), model=model, method=method, site="none", oracle=oracle, train_seed=train_seed,
                samples=self.samples, status=status, reason=reason,
            )
        )  # fmt: skip
        if hits is not None:
            self.columns[key] = records(np.asarray(hits), bad, unlabelled, seed=len(self.cells))
            rates = bpp + np.linspace(-0.1, 0.1, self.samples)
            self.columns[key]["bpp"] = np.where(self.columns[key]["error"] == "", rates, np.nan).astype(np.float32)

    def cost(self, method: str, median: float, extra: int = 0, *, model: str = "net") -> None:
        self.efficiency.append(
            EfficiencyRecord(
                model=model, method=method, parameters_extra=extra, parameters_total=1_000_000 + extra,
                macs_extra=extra * 1000, macs_total=10**9 + extra * 1000, median_ms=median,
                iqr_ms=(median * 0.9, median * 1.2), repeats=30, threads=1, device="a processor", size=(8, 8),
            )
        )  # fmt: skip

    def info(self) -> RunInfo:
        return RunInfo(
            suite="fake", title=self.title, version=3, seed=7, command="qbench run fake.yaml", tables=self.tables,
            sources=(SourceInfo(samples=self.samples, shards=("a", "b")),), cells=tuple(self.cells),
            controls=tuple(self.controls), published=tuple(self.published),
            costs=tuple(f"{index}.json" for index in range(len(self.efficiency))),
            environment={"torch": "2.13.0", "threads": 1, "libraries": {"pillow": "12.0", "numpy": "2.4"}},
        )  # fmt: skip

    def write(self, run: Path) -> Path:
        half = self.samples // 2
        for key, columns in self.columns.items():
            for shard, part in (("a", slice(0, half)), ("b", slice(half, None))):
                write_records(shard_file(run, key, shard), {name: values[part] for name, values in columns.items()})
        for index, record in enumerate(self.efficiency):
            write_text(run / "efficiency" / f"{index}.json", json.dumps(record.model_dump()))
        write_text(run / "run.json", self.info().model_dump_json())
        return run


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
        "facts": np.array(["{}"] * count, dtype=object), "error": error,
    }  # fmt: skip
