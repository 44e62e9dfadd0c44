"""How often the bootstrap's 95% intervals hold the truth, for scores that are no means over pictures.

    python -m benchmarks.interval_coverage [--studies N] [--resamples N]

The committed records of a report stand for the world: its score over all pictures is the truth. Each study draws as
many pictures from them with replacement, or 16, and makes the percentile interval and the standard one that tables
show. Both are counted where they hold the truth.

A second table is of samples that come in groups: hits of 30 frames of each of so many videos, the share of hits of each
video drawn anew. It counts the percentile interval of frames, and the standard interval of videos that tables show.
Writes benchmarks/results/interval_coverage.json and prints its tables."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from qbench.report.metric import metric_of
from qbench.report.source import load
from qbench.stats.bootstrap import Groups, means, percentile, standard

FEW = 16
VIDEOS, FRAMES, SHARE, ALIKE = (5, 10, 20, 50), 30, 0.6, 0.3
"""Numbers of videos, frames of each, the share of hits, and the correlation of two frames of a video."""
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
    videos = [in_groups(count, given.studies, given.resamples) for count in VIDEOS]
    result = {"command": command(given), "rows": rows, "groups": videos}
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("| report | condition | score | pictures | percentile | standard |\n|---|---|---|---|---|---|")
    for row in rows:
        shares = " | ".join(f"{row[name]:.2f}" for name in ("percentile", "standard"))
        print(f"| {row['report']} | {row['condition']} | {row['metric']} | {row['pictures']} | {shares} |")
    print("\n| videos | frames of each | by frame | by video |\n|---|---|---|---|")
    for row in videos:
        print(f"| {row['groups']} | {FRAMES} | {row['by sample']:.2f} | {row['by group']:.2f} |")


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


def in_groups(videos: int, studies: int, resamples: int) -> dict[str, Any]:
    """The share of studies in which the interval by frame and that by video hold the share of hits."""
    rng, groups = np.random.default_rng(0), Groups(np.repeat(np.arange(videos), FRAMES))
    counts = np.ones((videos * FRAMES, 1), dtype=np.bool_)
    held = {"by sample": 0, "by group": 0}
    for number in range(studies):
        spread = (1 - ALIKE) / ALIKE
        of_video = rng.beta(SHARE * spread, (1 - SHARE) * spread, videos)
        hits = (rng.random(videos * FRAMES) < np.repeat(of_video, FRAMES)).astype(float)[:, None]
        by_sample = means(hits, counts, number, "frames", resamples)[:, 0]
        by_group = means(hits, counts, number, "videos", resamples, groups)[:, 0]
        intervals = {"by sample": percentile(by_sample), "by group": standard(by_group, float(hits.mean()), videos)}
        for name, (low, high) in intervals.items():
            held[name] += low <= SHARE <= high
    return {"groups": videos, "samples": videos * FRAMES, **{name: count / studies for name, count in held.items()}}


if __name__ == "__main__":
    main()
