"""The benchmark of an accelerator, tried on the processor."""

from __future__ import annotations

import time

import pytest
import torch

from benchmarks import gpu
from benchmarks.forwards import Forwards
from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention


def test_every_condition_has_its_figures() -> None:
    result = gpu.benchmark("cpu", feeders=0, samples=2, batch=2)
    for name in gpu.CONDITIONS:
        assert result[name]["of ready"] == pytest.approx(result[name]["pictures a second"] / result["ready"])
        assert 0 < result[name]["busy"] <= 1
    assert gpu.table(result).count("\n") == 4


def test_busy_is_the_share_of_time_within_forwards() -> None:
    class Sleep(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return torch.zeros(len(x), 2)

    forwards = Forwards("cpu")
    model = LoadedModel(Sleep(), InputConvention(size=8, resize=None), {})
    with forwards.watched():
        for _ in range(4):
            model.predict(torch.zeros(3, 3, 8, 8))
            time.sleep(0.05)
    steady = forwards.steady(0.25)
    assert (steady.forwards, steady.pictures) == (3, 9)
    assert 0.15 <= steady.busy < steady.seconds - 0.1  # three sleeps within, two between


def test_a_run_without_forwards_is_told() -> None:
    with pytest.raises(RuntimeError, match="no forward"):
        Forwards("cpu").steady(0)
