"""What a report costs: reading the records, the tables, and each renderer.

    OMP_NUM_THREADS=1 python -m benchmarks.report_speed [--shapes NAME ...] [--repetitions N] [--keep FOLDER]

Records are drawn and written through the store. Every repetition reports them in one fresh process and reads the same
files whole with pyarrow in another, one after the other, so that both find the files in memory; figures are seconds,
the ratio of the two, and the most memory that either process held."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report_records import SHAPES, Shape, write

OUT = Path(__file__).parent / "results" / "report_speed.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Keep the runs in this folder, and use those that are there.")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    result = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory() as folder:
        for name in given.shapes:
            result[name] = benchmark(name, SHAPES[name], Path(folder) / name, given.repetitions)
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(markdown(result))


def benchmark(name: str, shape: Shape, run: Path, repetitions: int) -> dict[str, Any]:
    """All figures of one shape. Raises CalledProcessError where a process fails."""
    if not (run / "run.json").is_file():
        write(shape, run)
    ways = ("reading", "report")
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for repetition in range(repetitions):
        for way in ways[:: 1 if repetition % 2 == 0 else -1]:
            taken[way].append(_in_a_process(way, run))
    totals = {way: [sum(v for k, v in one.items() if k != "peak") for one in taken[way]] for way in ways}
    return {
        "command": f"OMP_NUM_THREADS=1 python -m benchmarks.report_speed --shapes {name} --repetitions {repetitions}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "processor": _processor()},
        "shape": {**asdict(shape), "cells": shape.count},
        "megabytes": round(sum(file.stat().st_size for file in run.rglob("*.parquet")) / 1e6, 1),
        "seconds": {part: quartiles([one[part] for one in taken["report"]]) for part in taken["report"][0]
                    if part != "peak"},
        "total": quartiles(totals["report"]),
        "reading": quartiles(totals["reading"]),
        "ratio": quartiles([a / b for a, b in zip(totals["report"], totals["reading"], strict=True)]),
        "peak GB": {way: quartiles([one["peak"] for one in taken[way]]) for way in ways},
    }  # fmt: skip


def quartiles(values: Sequence[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _in_a_process(way: str, run: Path) -> dict[str, float]:
    command = [sys.executable, "-c", f"from benchmarks import report_speed as b; b.{way}({str(run)!r})"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def reading(run: str) -> None:
    """Reads each file whole; prints seconds and gigabytes."""
    import pyarrow.parquet as pq

    def read() -> None:
        for file in Path(run).rglob("*.parquet"):
            pq.ParquetFile(file).read(use_threads=False)

    print(json.dumps(_measured({"read": read})))


def report(run: str) -> None:
    """Reports a run in all formats; prints the seconds of each part, and gigabytes."""
    from rich.console import Console

    from qbench.report import build
    from qbench.report.render import RENDERERS
    from qbench.report.render.terminal import show
    from qbench.report.source import load

    made: dict[str, Any] = {}

    def loading() -> None:
        made["loaded"] = load(Path(run))

    def tables() -> None:
        made["report"] = build.report(made["loaded"])

    parts: dict[str, Callable[[], Any]] = {"load": loading, "tables": tables}
    for form, renderer in RENDERERS.items():
        parts[form] = lambda renderer=renderer: renderer.render(made["report"])
    parts["terminal"] = lambda: show(made["report"], Console(file=io.StringIO(), width=120))
    print(json.dumps(_measured(parts)))


def _measured(parts: dict[str, Callable[[], Any]]) -> dict[str, float]:
    seconds = {}
    for name, part in parts.items():
        start = time.perf_counter()
        part()
        seconds[name] = time.perf_counter() - start
    return {**seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def markdown(result: dict[str, Any]) -> str:
    """A line for each shape, and the parts of each."""
    lines = ["| shape | samples x cells | report, s | over reading once | peak, GB |", "|---|---|---|---|---|"]
    for name, row in result.items():
        size = f"{row['shape']['samples']:,} x {row['shape']['cells']}"
        figures = " | ".join(_shown(row[part]) for part in ("total", "ratio"))
        lines.append(f"| {name} | {size} | {figures} | {_shown(row['peak GB']['report'])} |")
    for name, row in result.items():
        parts = ", ".join(f"{part} {figure['median']:.2f}" for part, figure in row["seconds"].items())
        lines.append(f"{name}: {parts}")
    return "\n".join(lines)


def _shown(figure: dict[str, float]) -> str:
    return f"{figure['median']:.1f} ({figure['low']:.1f}-{figure['high']:.1f})"


if __name__ == "__main__":
    main()
