from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision.models import squeezenet1_1

from qbench.compute.cell import Item, MethodItem
from qbench.runs import measure as measure_module
from qbench.runs.cost_record import EfficiencyRecord
from qbench.runs.measure import count_macs, count_parameters, latencies, measure


def conv_macs(conv, height, width):
    return (
        height * width * conv.out_channels * conv.in_channels // conv.groups * conv.kernel_size[0] * conv.kernel_size[1]
    )


def test_macs_of_convolutions_and_products_in_closed_form():
    wide, deep = nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Conv2d(16, 16, 5, padding=2, groups=16)
    head = nn.Linear(16, 10)
    net = nn.Sequential(wide, nn.ReLU(), deep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    expected = conv_macs(wide, 16, 16) + conv_macs(deep, 16, 16) + 160
    assert count_macs(net, torch.rand(1, 3, 32, 32)) == expected


def test_macs_in_inference_mode_weights_and_einsum():
    matrix = torch.rand(64, 64)
    with torch.inference_mode():
        net = nn.Conv2d(3, 8, 1)
    assert count_macs(net, torch.rand(1, 3, 8, 8)) == 3 * 8 * 64
    assert (
        count_macs(lambda x: torch.einsum("ij,bcj->bci", matrix, x.flatten(2)), torch.rand(1, 3, 8, 8)) == 3 * 64 * 64
    )


def test_squeezenet_matches_the_published_figures():
    """torchvision's table: 1,235,496 parameters and 0.35 GFLOPS (multiply-accumulates) at 224 px."""
    net = squeezenet1_1().eval()
    assert count_parameters([net]) == 1_235_496
    assert count_macs(net, torch.rand(1, 3, 224, 224)) / 1e9 == pytest.approx(0.35, abs=0.005)


def test_shared_parameters_count_once():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    assert count_parameters([net, net[0]]) == 12 + 4 + 16 + 4


def test_latency_is_that_of_a_sleep():
    ((*times,),) = latencies([lambda x: time.sleep(0.004) or x], torch.rand(1, 3, 2, 2), 9)
    assert len(times) == 9
    assert 4 <= min(times) <= np.median(times) < 40


def test_a_slow_network_runs_less_often(monkeypatch):
    runs = []
    monkeypatch.setattr(measure_module, "SECONDS", 0.05)
    (times,) = latencies([lambda x: runs.append(time.sleep(0.02)) or x], torch.rand(1, 3, 2, 2), 30)
    assert len(times) == measure_module.FEWEST
    assert len(runs) == measure_module.FEWEST + 1, "one run to warm up"


def test_what_is_slow_at_first_is_warmed_up_by_time():
    """The first runs of a process are slower: here for 0.2 seconds, long past five runs."""
    begun = time.perf_counter()

    def forward(x):
        time.sleep(0.02 if time.perf_counter() - begun < 0.2 else 0.001)

    (times,) = latencies([forward], torch.rand(1, 3, 2, 2), 9)
    assert np.median(times) < 10


def test_paths_are_timed_in_turns():
    order = []
    paths = [lambda x, name=name: order.append(name) or time.sleep(0.001) for name in "abc"]
    latencies(paths, torch.rand(1, 3, 2, 2), 7)
    assert "".join(order[-21:]) == "abc" * 7


def test_measure_restores_threads_and_makes_records():
    before = torch.get_num_threads()
    small, large = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 8, 3)
    paths = [(small, [small]), (lambda x: small(x) + large(x).mean(), [small, large])]
    direct, helped = measure(paths, (8, 8), "cpu", threads=1, repeats=3)
    assert torch.get_num_threads() == before
    record = helped.record(
        Item(name="net", label="net"), MethodItem(name="helper", label="helper", site="image"), direct, "a processor"
    )
    assert (record.parameters_extra, record.parameters_total) == (8 * 28, 8 * 28 + 16)
    assert record.direct_ms == direct.median_ms
    assert record.macs_extra == conv_macs(large, 6, 6)
    assert EfficiencyRecord.model_validate_json(record.model_dump_json()) == record
    with pytest.raises(ValidationError):
        EfficiencyRecord.model_validate({**record.model_dump(), "colour": "red"})
