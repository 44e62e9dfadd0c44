"""The identity of a network that a caller holds: another function never has the key of this one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from qbench.keys.live import network_identity
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


def with_default(value: float) -> Callable[[Tensor], Tensor]:
    def act(x: Tensor, *, by: float = value) -> Tensor:
        return by * x

    return act


def not_yet() -> Callable[[Tensor], Tensor]:
    def act(x: Tensor) -> Tensor:
        return x if factor is None else factor * x

    if torch.pi < 3:
        factor = None
    return act


class Gain:
    def __init__(self, by: float) -> None:
        self.by = by

    def times(self, x: Tensor) -> Tensor:
        return self.by * x


def doubled(net: nn.Module, given: object, out: Tensor) -> Tensor:
    return 2 * out


def tripled(net: nn.Module, given: object, out: Tensor) -> Tensor:
    return 3 * out


def doubled_before(net: nn.Module, given: tuple[Tensor]) -> Tensor:
    return 2 * given[0]


def identity(net: nn.Module) -> str:
    return str(network_identity(net))


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
    "hook": inner(lambda net: net.register_forward_hook(doubled)),
    "another hook": inner(lambda net: net.register_forward_hook(tripled)),
    "hook before": inner(lambda net: net.register_forward_pre_hook(doubled_before)),
    "method of an object": nn.Sequential(Inner(1.0, Gain(2.0).times)),
    "method of another object": nn.Sequential(Inner(1.0, Gain(3.0).times)),
    "keyword's default": nn.Sequential(Inner(1.0, with_default(2.0))),
    "another keyword's default": nn.Sequential(Inner(1.0, with_default(3.0))),
    "empty cell": nn.Sequential(Inner(1.0, not_yet())),
    "order": nn.Sequential(nn.Identity(), Inner(1.0)),
}


def test_another_function_has_another_identity() -> None:
    told = [identity(nn.Sequential(Inner(1.0))), *map(identity, CHANGES.values())]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("case", CHANGES)
def test_a_copy_has_the_same_identity(case: str) -> None:
    assert identity(copy.deepcopy(CHANGES[case])) == identity(CHANGES[case])
    assert identity(CHANGES[case]) == identity(CHANGES[case])


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
