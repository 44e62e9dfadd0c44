"""Whether feeders keep a device busy, with a stand-in for the device.

    OMP_NUM_THREADS=1 python -m benchmarks.feeding [--feeders 1 2] [--batches N] [--repetitions N]

The stand-in is a live network that holds this process for t milliseconds a batch and uses no core. Pictures are
prepared (decoded, viewed, degraded by one quality of JPEG) in 1 or 2 feeders. The time between two batches should be
that of the slower side, max(prepare / feeders, device): `ratio` is the measured time over it, for t of 0.5, 1 and 2
times prepare / feeders. At most 1.1 is the aim.

`device` is all that a model computes for a batch: the sleep, and the normalisation of pictures, which an accelerator
would do. `prepare` is the seconds of a batch by a plain loop, in as many processes at once as there are feeders, so
that a machine that does other work slows both alike: the mean of before and after each run. Measured is the steady
state: the first quarter of the batches does not count, so that neither starting processes nor what they prepared
meanwhile does; records are written in that time as in any run."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

import qbench
from benchmarks.engine_suite import Scale, write_pictures
from benchmarks.forwards import Forwards, Steady
from benchmarks.timing import quartiles
from qbench.data.decoding import decode
from qbench.data.views import View
from qbench.degrade.jpeg import Jpeg
from qbench.draws import Draw
from qbench.runs.machine import device_name
from qbench.runtime import fixed_threads, keep_freed_memory
from qbench.vocabulary import Condition, InputConvention

CLASSES = 24
QUALITY = 10
WARM_UP = 0.25
"""Of the batches, after which what feeders prepared while they started is used up."""
LOADS = (0.5, 1.0, 2.0)
DRAWN = 32
"""Pictures that are drawn; the others are the same files under other names."""


@dataclass(frozen=True)
class Feeding:
    """What may shrink in a test."""

    batches: int = 40
    batch: int = 16
    repetitions: int = 3
    picture: int = 512
    resize: int = 256
    crop: int = 224


class StandIn(nn.Module):
    """Sleeps for `seconds` and gives fixed logits."""

    logits: Tensor

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.register_buffer("logits", torch.linspace(0, 1, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.seconds)
        return self.logits.repeat(x.shape[0], 1)


def write_dataset(root: Path, samples: int, drawn: int, picture: int) -> None:
    """`drawn` scenes as PNG files, and as many more names of the same files as make up `samples`."""
    write_pictures(root, Scale(samples=drawn, picture=picture))
    files = sorted(root.rglob("*.png"))
    for index in range(drawn, samples):
        source = files[index % drawn]
        os.link(source, source.with_name(f"{index:05d}.png"))


def suite(root: Path, view: View, batch: int) -> dict[str, Any]:
    task = {
        "dataset": {"name": "imagefolder", "root": str(root)},
        "view": {"resize": view.resize, "crop": view.crop, "interpolation": view.interpolation},
        "conditions": [{"jpeg": {"quality": QUALITY}}],
        "methods": ["direct"],
    }
    return {"suite": "feeding", "engine": {"batch": batch}, "tasks": [task]}


def prepare_seconds(files: Sequence[Path], view: View, condition: Condition, batch: int, batches: int) -> float:
    """Seconds of a batch: decode, view, degrade and stack by a plain loop in this process; the median of `batches`."""
    taken = []
    for number in range(batches):
        chosen = [files[(number * batch + index) % len(files)] for index in range(batch)]
        start = time.perf_counter()
        np.stack([condition.apply(view.apply(decode(file)), Draw(0, file.name))[0] for file in chosen])
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def steady(seconds: float, feeders: int, given: Mapping[str, Any], view: View) -> Steady:
    """The forwards of a run whose stand-in sleeps for `seconds` a batch."""
    forwards = Forwards("cpu")
    convention = InputConvention(size=view.crop, resize=view.resize)
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, QBENCH_HOME=folder), forwards.watched():
        run = Path(folder) / "run"
        options: dict[str, Any] = {"device": "cpu", "feeders": feeders, "strict": True}
        qbench.run(given, models={"stand-in": StandIn(seconds)}, input=convention, out=run, **options)
    return forwards.steady(WARM_UP)


def measured(
    count: int,
    load: float,
    first: float,
    prepare: Callable[[], float],
    given: Mapping[str, Any],
    view: View,
    turns: int,
) -> dict[str, Any]:
    """What `count` feeders reach where the stand-in sleeps `load` times their share of `first` seconds a batch."""
    taken = []
    for _ in range(turns):
        before = prepare()
        found = steady(load * first / count, count, given, view)
        prepared = (before + prepare()) / 2
        wall, device = found.seconds / found.forwards, found.busy / found.forwards
        taken.append({"wall": wall, "prepare": prepared, "device": device})
    ratio = [one["wall"] / max(one["prepare"] / count, one["device"]) for one in taken]
    return {"feeders": count, "load": load, "seconds": taken, "ratio": quartiles(ratio)}


def benchmark(feeders: Sequence[int], scale: Feeding) -> list[dict[str, Any]]:
    """A row for each number of feeders and load: seconds of a batch, and ratios with their quartiles."""
    rows = []
    view = View(scale.resize, scale.crop)
    with tempfile.TemporaryDirectory() as folder, fixed_threads(1):
        root = Path(folder)
        write_dataset(root, scale.batches * scale.batch, DRAWN, scale.picture)
        files, given = sorted(root.rglob("*.png")), suite(root, view, scale.batch)

        arguments = (files, view, Jpeg(QUALITY), scale.batch, max(3, scale.batches // 8))
        for count in feeders:
            with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as loops:

                def prepare(loops: ProcessPoolExecutor = loops, count: int = count) -> float:
                    return mean(
                        [one.result() for one in [loops.submit(prepare_seconds, *arguments) for _ in range(count)]]
                    )

                prepare()
                first = prepare()
                for load in LOADS:
                    rows.append(measured(count, load, first, prepare, given, view, scale.repetitions))
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row for each number of feeders and load, in Markdown; times are medians in milliseconds."""
    lines = [
        "| feeders | t / (prepare / feeders) | prepare, ms | device, ms | between batches, ms | ratio (quartiles) |"
    ]
    lines += ["| --- " * 6 + "|"]
    for row in rows:
        prepare, device, wall = (
            1000 * float(np.median([one[name] for one in row["seconds"]])) for name in ("prepare", "device", "wall")
        )
        ratio = "{median:.2f} ({low:.2f}-{high:.2f})".format(**row["ratio"])
        lines.append(f"| {row['feeders']} | {row['load']:g} | {prepare:.0f} | {device:.0f} | {wall:.0f} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeders", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, default=Feeding.batches)
    parser.add_argument("--repetitions", type=int, default=Feeding.repetitions)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "feeding.json")
    given = parser.parse_args()
    keep_freed_memory()
    scale = replace(Feeding(), batches=given.batches, repetitions=given.repetitions)
    load = os.getloadavg()[0]
    result: dict[str, Any] = {
        "command": "OMP_NUM_THREADS=1 python -m benchmarks.feeding "
        f"--batches {given.batches} --repetitions {given.repetitions}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{device_name('cpu')}, {os.cpu_count()} cores",
        "load average before and after": [round(load, 1), round(os.getloadavg()[0], 1)],
        "scale": asdict(scale),
        "rows": benchmark(given.feeders, scale),
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result["rows"]))


if __name__ == "__main__":
    main()
