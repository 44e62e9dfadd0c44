"""Measuring parameters, multiply-accumulates and latency with torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from qbench.efficiency.record import EfficiencyRecord
from qbench.threads import fixed_threads

Forward = Callable[[Tensor], object]
WARM_UP = 5
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

    def record(self, model: str, method: str, direct: Figures, device: str, **facts: object) -> EfficiencyRecord:
        """As a record of `method` on `model`; `direct` is the cost of the model alone."""
        return EfficiencyRecord.model_validate(
            {
                "model": model,
                "method": method,
                "parameters_extra": self.parameters - direct.parameters,
                "parameters_total": self.parameters,
                "macs_extra": self.macs - direct.macs,
                "macs_total": self.macs,
                "median_ms": self.median_ms,
                "iqr_ms": self.iqr_ms,
                "repeats": self.repeats,
                "threads": self.threads,
                "device": device,
                "size": self.size,
                **facts,
            }
        )


def measure(
    run_forward: Forward,
    networks: Sequence[nn.Module],
    size: tuple[int, int],
    device: str,
    threads: int,
    repeats: int = 30,
) -> Figures:
    """The cost of `run_forward` on one picture [1, 3, *size] in [0, 1]; `networks` are all that it runs through.

    Parameters that several networks share are counted once."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, *size, generator=generator).to(device)
    with fixed_threads(threads):
        macs = count_macs(run_forward, image)
        times = latencies(run_forward, image, repeats)
    low, median, high = (float(t) for t in np.quantile(times, [0.25, 0.5, 0.75]))
    return Figures(count_parameters(networks), macs, median, (low, high), len(times), threads, size)


def count_parameters(networks: Sequence[nn.Module]) -> int:
    """Parameters of all networks, shared ones once."""
    unique = {id(parameter): parameter.numel() for network in networks for parameter in network.parameters()}
    return sum(unique.values())


def count_macs(run_forward: Forward, image: Tensor) -> int:
    """Multiply-accumulates of convolutions and matrix products (two floating-point operations each)."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run_forward(image)
    return int(counter.get_total_flops()) // 2


def latencies(run_forward: Forward, image: Tensor, repeats: int) -> list[float]:
    """Times of single runs in ms, after a warm-up and with the device synchronised: `repeats`, or as many as fit in
    SECONDS but at least FEWEST."""
    with torch.inference_mode():
        once = _timed(run_forward, image) / 1000
        fitting = int(SECONDS / once) if once else repeats
        runs = min(repeats, max(FEWEST, fitting))
        for _ in range(WARM_UP - 1 if runs == repeats else 0):
            run_forward(image)
        return [_timed(run_forward, image) for _ in range(runs)]


def _timed(run_forward: Forward, image: Tensor) -> float:
    _synchronise(image)
    start = time.perf_counter()
    run_forward(image)
    _synchronise(image)
    return (time.perf_counter() - start) * 1000


def _synchronise(image: Tensor) -> None:
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
