"""What QuARF's hard routing saves: time of the block alone, routed softly (all experts) and hard (one a group).

    python benchmarks/quarf.py [--repeats 20] [--threads 1] [--out benchmarks/results/quarf.json]

The runs alternate, so that other work on the machine slows all alike. A plain 3x3 convolution of the same width stands
beside them: four experts on four groups cost as many multiply-accumulates as it does."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from qbench.methods.adaptive import given
from qbench.methods.quarf.block import Plain, Quarf
from qbench.models.initial import initialise
from qbench.runs.machine import device_name
from qbench.runs.measure import count_macs
from qbench.runtime import fixed_threads

ROOT = Path(__file__).resolve().parent.parent
DIMENSION = 256
SHAPES = ((1, 64, 112, 112), (8, 64, 112, 112), (8, 32, 64, 64))
KINDS = ("dilated", "two_step", "dense_k")
WARM_UP = 3


def contenders(kind: str, channels: int) -> dict[str, nn.Module]:
    """The same block under both routings, with routes that differ between pictures, and the plain convolution."""
    blocks: dict[str, nn.Module] = {
        routing: Quarf(channels, DIMENSION, experts=kind, routing=routing)  # type: ignore[arg-type]
        for routing in ("soft", "hard")
    }
    blocks["plain"] = Plain(channels)
    for block in blocks.values():
        initialise(block, 0)
    return {name: block.eval().to(memory_format=torch.channels_last) for name, block in blocks.items()}  # type: ignore[call-overload]


def timed(runs: Sequence[Callable[[], object]], repeats: int) -> list[tuple[list[float], list[float]]]:
    """Milliseconds of each run by the clock and by the processor, all of them taking turns."""
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in runs]
    for turn in range(WARM_UP + repeats):
        for run, (wall, processor) in zip(runs, times, strict=True):
            start, worked = time.perf_counter(), time.process_time()
            run()
            if turn >= WARM_UP:
                wall.append((time.perf_counter() - start) * 1000)
                processor.append((time.process_time() - worked) * 1000)
    return times


def row(kind: str, shape: tuple[int, int, int, int], repeats: int) -> dict[str, Any]:
    """Medians and quartiles in ms, multiply-accumulates, and soft's median over hard's (of processor time)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, generator=generator).contiguous(memory_format=torch.channels_last)
    quality = torch.randn(shape[0], DIMENSION, generator=generator)
    blocks = contenders(kind, shape[1])
    with given(nn.ModuleList(blocks.values()), quality), torch.inference_mode():
        macs = {name: count_macs(block, x) for name, block in blocks.items()}
        times = timed([lambda b=block: b(x) for block in blocks.values()], repeats)  # type: ignore[misc]
    figures: dict[str, Any] = {"experts": kind, "shape": list(shape)}
    for name, (wall, processor) in zip(blocks, times, strict=True):
        figures[name] = {"wall": quartiles(wall), "processor": quartiles(processor), "macs": macs[name]}
    figures["soft / hard"] = round(figures["soft"]["processor"]["median"] / figures["hard"]["processor"]["median"], 2)
    return figures


def quartiles(milliseconds: Sequence[float]) -> dict[str, float]:
    low, median, high = (round(float(v), 3) for v in np.quantile(milliseconds, [0.25, 0.5, 0.75]))
    return {"low": low, "median": median, "high": high}


def results(repeats: int, threads: int, shapes: Sequence[tuple[int, int, int, int]] = SHAPES) -> dict[str, Any]:
    with fixed_threads(threads):
        rows = [row(kind, shape, repeats) for kind in KINDS for shape in shapes]
    return {
        "what": "milliseconds of QuARF's block by routing",
        "repeats": repeats,
        "threads": threads,
        "torch": torch.__version__,
        "machine": f"{device_name('cpu')}, {os.cpu_count()} cores",
        "load average": [round(load, 1) for load in os.getloadavg()],
        "rows": rows,
    }


def table(result: Mapping[str, Any]) -> str:
    """Processor times in Markdown, a line for each block and shape."""
    lines = ["| experts | maps | soft, ms | hard, ms | plain 3x3, ms | soft / hard |", "|---|---|---|---|---|---|"]
    for row in result["rows"]:
        medians = " | ".join(f"{row[name]['processor']['median']:.1f}" for name in ("soft", "hard", "plain"))
        shape = "x".join(map(str, row["shape"]))
        lines.append(f"| `{row['experts']}` | {shape} | {medians} | {row['soft / hard']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "quarf.json")
    options = parser.parse_args()
    result = results(options.repeats, options.threads)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
