"""How often the bootstrap's 95% intervals hold the truth, for scores that are no means over pictures.

    python -m benchmarks.interval_coverage [--studies N] [--resamples N]

The committed records of a report stand for the world: its score over all pictures is the truth. Each study draws as
many pictures from them with replacement, or 16, and makes the percentile interval and the standard one that tables
show. Both are counted where they hold the truth. Writes benchmarks/results/interval_coverage.json and prints its
table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from qbench.report.metric import metric_of
from qbench.report.source import load
from qbench.stats.bootstrap import percentile, standard

FEW = 16
ROOT = Path(__file__).resolve().parent.parent
WORLDS = (
    ("segmentation", "clean"), ("segmentation", "jpeg@7"), ("segmentation-camvid", "clean"),
    ("segmentation-camvid", "jpeg@10"), ("detection", "clean"), ("detection", "jpeg@7"), ("detection-bccd", "jpeg@10"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "interval_coverage.json")
    given = parser.parse_args()
    rows = [study(*world, few, given.studies, given.resamples) for few in (None, FEW) for world in WORLDS]
    given.out.write_text(json.dumps({"command": command(given), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print("| report | condition | score | pictures | percentile | standard |\n|---|---|---|---|---|---|")
    for row in rows:
        shares = " | ".join(f"{row[name]:.2f}" for name in ("percentile", "standard"))
        print(f"| {row['report']} | {row['condition']} | {row['metric']} | {row['pictures']} | {shares} |")


def command(given: argparse.Namespace) -> str:
    return f"python -m benchmarks.interval_coverage --studies {given.studies} --resamples {given.resamples}"


def study(report: str, condition: str, few: int | None, studies: int, resamples: int) -> dict[str, Any]:
    """The share of studies, each of `few` pictures or as many as there are, in which each interval holds the score of
    all pictures."""
    loaded = load(ROOT / "reports" / report, whole=True)
    cells = [result.cell for result in loaded.info.cells]
    cell = next(c for c in cells if c.condition.label == condition and c.method.name == "direct")
    records, metric = loaded.records[cell.place], metric_of(cell.metrics[0])
    count, rng = cell.samples, np.random.default_rng(0)
    truth, size = float(metric.statistic(records, np.ones(count))), few or count
    held = {"percentile": 0, "standard": 0}
    for _ in range(studies):
        drawn = rng.multinomial(size, np.full(count, 1 / count)).astype(float)
        found = float(metric.statistic(records, drawn))
        again = metric.statistic(records, rng.multinomial(size, drawn / size, size=resamples).astype(float))
        for name, (low, high) in {"percentile": percentile(again), "standard": standard(again, found, size)}.items():
            held[name] += low <= truth <= high
    shares = {name: number / studies for name, number in held.items()}
    return {"report": report, "condition": condition, "metric": cell.metrics[0].name, "pictures": size, **shares}


if __name__ == "__main__":
    main()
