"""Whether an accelerator is kept busy: pictures a second of ResNet-50 in a run, beside it on ready tensors.

    OMP_NUM_THREADS=1 python -m benchmarks.gpu [--device cuda] [--feeders N] [--samples N] [--batch N]

ResNet-50 of timm with drawn weights sees scenes of 256 pixels, cut to 224, under JPEG, Gaussian noise and fog, a run
each in an empty folder. Of each batch's forward the device's own clock (CUDA events) tells start and end; elsewhere the
processor's clock does. Figures are of the steady state, from the start of the forward a quarter into the run to the end
of the last:

* pictures a second, and their share of those of the same network on tensors that lie on the device (`ready`);
* busy: the time within forwards over all time; at least 90 % is the aim;
* fed: what the feeders could prepare at best, by the time that one picture takes in a plain loop of one process. A run
  cannot be faster than the smaller of `ready` and `fed`; `of bound` is its share of that.

`--device cpu --samples 8` only tries that everything works."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import qbench
from benchmarks.feeding import DRAWN, prepare_seconds, write_dataset
from benchmarks.forwards import Forwards
from qbench.compute.cell import Item
from qbench.data.views import View
from qbench.models.classification.timm import Timm
from qbench.registry.create import create
from qbench.runs.machine import device_name
from qbench.runtime import fixed_threads, keep_freed_memory

NETWORK = "resnet50"
VIEW = View(256, 224)
CONDITIONS: Mapping[str, Mapping[str, int]] = {
    "jpeg": {"quality": 10}, "gaussian_noise": {"severity": 3}, "fog": {"severity": 3},
}  # fmt: skip
WARM_UP = 0.25
"""Of the forwards, those that do not count."""
PREPARED = 64
"""Pictures that are prepared in a plain loop to time one."""


def ready(device: str, batch: int, batches: int) -> float:
    """Pictures a second of the network on one batch that lies on the device."""
    forwards = Forwards(device)
    model = Timm(NETWORK, pretrained=False).build()
    model.net.to(device)
    shape = (batch, 3, VIEW.crop or 0, VIEW.crop or 0)
    images = torch.rand(*shape, device=device).contiguous(memory_format=torch.channels_last)
    with forwards.watched(), torch.inference_mode():
        for _ in range(batches):
            model.predict(images)
    steady = forwards.steady(WARM_UP)
    return steady.pictures / steady.seconds


def measured(name: str, root: Path, device: str, feeders: int, batch: int) -> dict[str, float]:
    """The figures of a run under one condition."""
    forwards = Forwards(device)
    task = {
        "dataset": {"name": "imagefolder", "root": str(root)},
        "view": {"resize": VIEW.resize, "crop": VIEW.crop, "interpolation": VIEW.interpolation},
        "models": [{f"timm:{NETWORK}": {"pretrained": False}}],
        "conditions": [{name: CONDITIONS[name]}],
        "methods": ["direct"],
    }
    given = {"suite": f"gpu-{name}", "engine": {"batch": batch}, "tasks": [task]}
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, QBENCH_HOME=folder):
        options: dict[str, Any] = {"device": device, "feeders": feeders, "strict": True}
        with forwards.watched():
            qbench.run(given, out=Path(folder) / "run", **options)
    steady = forwards.steady(WARM_UP)
    return {"pictures a second": steady.pictures / steady.seconds, "busy": steady.busy / steady.seconds}


def benchmark(device: str, feeders: int, samples: int, batch: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, fixed_threads(1):
        root = Path(folder)
        write_dataset(root, samples, min(samples, DRAWN), VIEW.resize or 0)
        files = sorted(root.rglob("*.png"))
        batch = min(batch, samples)
        result: dict[str, Any] = {"ready": ready(device, batch, max(4, min(100, samples // batch)))}
        for name, params in CONDITIONS.items():
            condition = create("condition", Item(name=name, params=dict(params), label=name))
            count = min(samples, PREPARED)
            fed = max(1, feeders) * count / prepare_seconds(files, VIEW, condition, count, 3)
            found = measured(name, root, device, feeders, batch)
            rate = found["pictures a second"]
            bound = min(result["ready"], fed)
            result[name] = {**found, "fed": fed, "of ready": rate / result["ready"], "of bound": rate / bound}
            print(json.dumps({name: result[name]}), flush=True)
    return result


def table(result: Mapping[str, Any]) -> str:
    """A row a condition, in Markdown."""
    lines = ["| condition | pictures/s | ready | fed | of ready | of bound | busy |", "| --- " * 7 + "|"]
    for name in CONDITIONS:
        row = result[name]
        rates = f"{row['pictures a second']:.0f} | {result['ready']:.0f} | {row['fed']:.0f}"
        lines.append(f"| {name} | {rates} | {row['of ready']:.2f} | {row['of bound']:.2f} | {row['busy']:.0%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--feeders", type=int, default=len(os.sched_getaffinity(0)), help="Default: one a core.")
    parser.add_argument("--samples", type=int, default=16_384)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--out", type=Path, help="A JSON file for the figures.")
    given = parser.parse_args()
    keep_freed_memory()
    result = {
        "command": f"python -m benchmarks.gpu --device {given.device} --feeders {given.feeders} "
        f"--samples {given.samples} --batch {given.batch}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{device_name(given.device)}, {os.cpu_count()} cores",
        **benchmark(given.device, given.feeders, given.samples, given.batch),
    }
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
