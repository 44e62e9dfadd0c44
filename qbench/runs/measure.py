"""Measuring parameters, multiply-accumulates and latency with torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from qbench.compute.cell import Item, MethodItem
from qbench.runs.cost_record import EfficiencyRecord
from qbench.runtime import fixed_threads

Forward = Callable[[Tensor], object]
WARM_UP, WARM_SECONDS = 5, 0.5
"""Every forward runs so often and so long before it is timed: a process's first runs are slower than later ones."""
FEWEST, SECONDS = 5, 10.0
"""Runs of a slow network: fewer than asked for where they would take longer than that, but not fewer than these."""


@dataclass(frozen=True)
class Figures:
    """Cost of one picture: parameters and multiply-accumulates in all, latency (median and quartiles) in ms."""

    parameters: int
    macs: int
    median_ms: float
    iqr_ms: tuple[float, float]
    repeats: int
    threads: int
    size: tuple[int, int]

    def record(self, model: Item, method: MethodItem, direct: Figures, device: str) -> EfficiencyRecord:
        """As a record of `method` on `model`; `direct` is the cost of the model alone."""
        return EfficiencyRecord(
            model=model,
            method=method,
            parameters_extra=self.parameters - direct.parameters,
            parameters_total=self.parameters,
            macs_extra=self.macs - direct.macs,
            macs_total=self.macs,
            median_ms=self.median_ms,
            iqr_ms=self.iqr_ms,
            direct_ms=direct.median_ms,
            repeats=self.repeats,
            threads=self.threads,
            device=device,
            size=self.size,
        )


def measure(
    paths: Sequence[tuple[Forward, Sequence[nn.Module]]],
    size: tuple[int, int],
    device: str,
    threads: int,
    repeats: int = 30,
) -> list[Figures]:
    """What each path costs for one picture [1, 3, *size] in [0, 1]: a forward, and all networks that it runs through.

    Parameters that several networks share are counted once. Paths are timed in turns, so that whatever else the machine
    does meets all of them."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, *size, generator=generator).to(device)
    with fixed_threads(threads):
        macs = [count_macs(forward, image) for forward, _ in paths]
        times = latencies([forward for forward, _ in paths], image, repeats)
    parameters = [count_parameters(networks) for _, networks in paths]
    paths_measured = zip(parameters, macs, times, strict=True)
    return [_figures(count, products, runs, threads, size) for count, products, runs in paths_measured]


def tried(path: tuple[Forward, Sequence[nn.Module]], size: tuple[int, int], device: str, threads: int) -> None:
    """Run a path once. Raises what it raises."""
    forward, networks = path
    with fixed_threads(threads):
        count_macs(forward, torch.rand(1, 3, *size).to(device))
    count_parameters(networks)


def _figures(parameters: int, macs: int, times: list[float], threads: int, size: tuple[int, int]) -> Figures:
    low, median, high = (float(t) for t in np.quantile(times, [0.25, 0.5, 0.75]))
    return Figures(parameters, macs, median, (low, high), len(times), threads, size)


def count_parameters(networks: Sequence[nn.Module]) -> int:
    """Parameters of all networks, shared ones once."""
    unique = {id(parameter): parameter.numel() for network in networks for parameter in network.parameters()}
    return sum(unique.values())


def count_macs(run_forward: Forward, image: Tensor) -> int:
    """Multiply-accumulates of convolutions and matrix products (two floating-point operations each)."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run_forward(image)
    return int(counter.get_total_flops()) // 2


def latencies(forwards: Sequence[Forward], image: Tensor, repeats: int) -> list[list[float]]:
    """Times of single runs in ms, after a warm-up and with the device synchronised: of each forward `repeats`, or as
    many as fit in SECONDS but at least FEWEST."""
    with torch.inference_mode():
        fitting = [int(1000 * SECONDS / max(_warm(forward, image), 1e-3)) for forward in forwards]
        runs = [min(repeats, max(FEWEST, count)) for count in fitting]
        times: list[list[float]] = [[] for _ in forwards]
        for turn in range(max(runs, default=0)):
            for forward, mine, wanted in zip(forwards, times, runs, strict=True):
                if turn < wanted:
                    mine.append(_timed(forward, image))
        return times


def _warm(forward: Forward, image: Tensor) -> float:
    """The time in ms of the last of some runs: WARM_UP, more of a fast network, and one of a very slow one."""
    start, count = time.perf_counter(), 0
    while True:
        last, count = _timed(forward, image), count + 1
        spent = time.perf_counter() - start
        if (spent > WARM_SECONDS and count >= WARM_UP) or spent > SECONDS / FEWEST:
            return last


def _timed(run_forward: Forward, image: Tensor) -> float:
    _synchronise(image)
    start = time.perf_counter()
    run_forward(image)
    _synchronise(image)
    return (time.perf_counter() - start) * 1000


def _synchronise(image: Tensor) -> None:
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
