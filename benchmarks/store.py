"""What planning, sealing and a fully stored rerun take, beside reading the same bytes once with pyarrow.

    python -m benchmarks.store --samples 50000 --cells 100

Records are synthetic, and written by the store's own functions. Planning is of a suite of so many conditions on small
pictures on disk, whose digests are taken once before. Times are medians of `--repeats` in one process."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from qbench.compute.cell import Cell, Source
from qbench.runs import seal, store
from qbench.runs.claims import beating
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run import run_plan
from qbench.runs.units import survey

RESULTS = Path(__file__).parent / "results" / "store.json"
SUITE = """
suite: store
version: 1
changelog: {{1: for the benchmark}}
tasks:
  - dataset: {{name: imagefolder, root: "{root}"}}
    models: ["builtin:scenes"]
    conditions: [{conditions}]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--cells", type=int, default=100, help="Stored ones.")
    parser.add_argument("--planned", type=int, default=1000, help="Cells of the suite that is planned only.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measured(Path(name), given.samples, given.cells, given.planned, given.repeats)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    for what, value in found.items():
        print(f"{what:55} {value:10.4g}")


def measured(folder: Path, samples: int, cells: int, planned: int, repeats: int) -> dict[str, float]:
    """Seconds and ratios, by what they are of."""
    pictures(folder / "pictures", samples)
    suites = {count: suite(folder / f"{count}.yaml", folder / "pictures", count) for count in {cells, planned}}
    first, plan = timed(lambda: plan_of(suites[cells]), 1)
    planning, _ = timed(lambda: plan_of(suites[planned]), repeats)
    root = folder / "run"
    store.prepare(root, print)
    sealing = [sealed(root, cell, plan.sources[cell.source]) for cell in plan.cells]
    reading, _ = timed(lambda: read_once(root), repeats)
    looking, _ = timed(lambda: survey(plan, root), repeats)
    rerun, _ = timed(lambda: run_plan(plan, root, workers=1, command="benchmark"), repeats)
    return {
        "samples": samples, "cells stored": cells, "cells planned": planned,
        "shards of a cell": len(plan.sources[0].shards),
        "first planning, digests of files included, s": first,
        f"planning {planned:,} cells, s": planning,
        "sealing a cell, ms": statistics.median(sealing) * 1000,
        "reading the records once with pyarrow, s": reading,
        "looking at every file of the store, s": looking,
        "looking / reading": looking / reading,
        "fully stored rerun without planning and report, s": rerun,
        "fully stored rerun / reading": rerun / reading,
    }  # fmt: skip


def pictures(root: Path, samples: int) -> None:
    """So many small files of two classes: one picture, and a number behind its end."""
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "one.png")
    content = (root / "one.png").read_bytes()
    (root / "one.png").unlink()
    for number in range(samples):
        (root / "ab"[number % 2] / f"{number:06d}.png").write_bytes(content + number.to_bytes(4, "little"))


def suite(file: Path, root: Path, conditions: int) -> Path:
    """One of so many conditions."""
    names = ", ".join(f"{{awgn: {{sigma: {1 + number / 1000}}}}}" for number in range(conditions))
    file.write_text(SUITE.format(root=root, conditions=names))
    return file


def plan_of(file: Path) -> Plan:
    return make_plan(*load_suite(file), Options(device="cpu"))


def timed(what: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The median of the seconds that it takes, and what it gives."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        given = what()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), given


def sealed(root: Path, cell: Cell, source: Source) -> float:
    """Write a cell's shards, and return the seconds that sealing takes."""
    generator = np.random.default_rng(int(cell.key[:8], 16))
    columns = {
        "target": np.int32(generator.integers(0, 1000, source.samples)),
        "prediction": np.int32(generator.integers(0, 1000, source.samples)),
        "rank": np.int32(generator.integers(0, 50, source.samples)),
        "top5": np.int32(generator.integers(0, 1000, (source.samples, 5))),
        **{name: np.float32(generator.exponential(1, source.samples)) for name in ("confidence", "nll", "brier")},
        "bpp": np.full(source.samples, np.nan, np.float32),
    }
    ids = sorted(f"{'ab'[number % 2]}/{number:06d}.png" for number in range(source.samples))
    for shard in source.shards:
        part, count = slice(shard.start, shard.stop), shard.stop - shard.start
        rows = {name: list(values[part]) if values.ndim == 2 else values[part] for name, values in columns.items()}
        texts = {"group": [""] * count, "facts": ['{"sigma": 1}'] * count, "error": [""] * count}
        table = store.table_of({"id": ids[part], **rows, **texts})
        store.write_records(root, cell.key, shard, table, ("cpu",), cell.parts)
    with beating(root) as runner:
        start = time.perf_counter()
        seal.seal(runner, cell, source)
        return time.perf_counter() - start


def read_once(root: Path) -> None:
    for file in sorted((root / "records").rglob("*.parquet")):
        pq.read_table(file)


if __name__ == "__main__":
    main()
