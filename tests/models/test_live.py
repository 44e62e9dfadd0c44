"""The identity of a network that a caller holds: another function never has the key of this one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from qbench.models.live import LiveModel
from qbench.vocabulary import InputConvention

INPUT = InputConvention(size=32, resize=None)


class Inner(nn.Module):
    def __init__(self, gain: float, act: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.gain, self.act = gain, act
        self.table: dict[str, object] = {"a": [1, 2]}
        self.register_buffer("mask", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x * self.gain)


class Other(Inner):
    def forward(self, x: Tensor) -> Tensor:
        return -self.act(x * self.gain)


def scaled(by: float) -> Callable[[Tensor], Tensor]:
    def act(x: Tensor) -> Tensor:
        return by * x

    return act


def identity(net: nn.Module) -> str:
    return str(LiveModel("mine", net, INPUT).identity())


def inner(change: Callable[[Inner], object]) -> nn.Module:
    net = Inner(1.0)
    change(net)
    return nn.Sequential(net)


CHANGES: dict[str, nn.Module] = {
    "attribute": nn.Sequential(Inner(-1.0)),
    "class": nn.Sequential(Other(1.0)),
    "function": nn.Sequential(Inner(1.0, torch.tanh)),
    "partial": nn.Sequential(Inner(1.0, partial(torch.add, other=1))),
    "another partial": nn.Sequential(Inner(1.0, partial(torch.add, other=2))),
    "closure": nn.Sequential(Inner(1.0, scaled(2.0))),
    "another closure": nn.Sequential(Inner(1.0, scaled(3.0))),
    "dict": inner(lambda net: net.table.update(b=3)),
    "list": inner(lambda net: net.table.update(a=[2, 1])),
    "buffer outside of the state": inner(lambda net: net.mask.zero_()),
    "order": nn.Sequential(nn.Identity(), Inner(1.0)),
}


def test_another_function_has_another_identity() -> None:
    told = [identity(nn.Sequential(Inner(1.0))), *map(identity, CHANGES.values())]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("case", CHANGES)
def test_a_copy_has_the_same_identity(case: str) -> None:
    assert identity(copy.deepcopy(CHANGES[case])) == identity(CHANGES[case])
    assert " at 0x" not in identity(CHANGES[case])


def test_weights_of_any_type() -> None:
    nets = [nn.Linear(3, 2).to(kind) for kind in (torch.bfloat16, torch.float16, torch.float64)]
    assert len({identity(net) for net in nets}) == 3
    with torch.no_grad():
        before = identity(nets[0])
        nets[0].bias[0] += 1
    assert identity(nets[0]) != before


def test_a_network_that_holds_itself() -> None:
    net = Inner(1.0)
    net.table["me"] = net.table
    assert identity(net) == identity(net)
