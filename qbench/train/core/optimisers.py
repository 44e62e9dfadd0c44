"""Optimisers and learning rates from a card's stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import torch
from torch import nn

from qbench.cards.schema import StageSpec
from qbench.train.core.recipe import Optimiser


def optimiser(spec: StageSpec, parameters: Iterable[tuple[str, nn.Parameter]]) -> Optimiser:
    """The stage's optimiser over named parameters; `lr_factors` scale the rate of those whose name fits a pattern."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters:
        factor = next((f for pattern, f in spec.lr_factors.items() if fnmatchcase(name, pattern)), 1.0)
        groups.setdefault(factor, []).append(parameter)
    settings = [{"params": members, "initial_lr": spec.lr * factor} for factor, members in groups.items()]
    built: torch.optim.Optimizer
    if spec.optimiser == "sgd":
        built = torch.optim.SGD(
            settings, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay, foreach=False
        )
    else:
        kind = torch.optim.AdamW if spec.optimiser == "adamw" else torch.optim.Adam
        built = kind(settings, lr=spec.lr, betas=spec.betas, weight_decay=spec.weight_decay, foreach=False)
    return Optimiser(built, rate(spec), clip_norm=spec.clip_norm)


def rate(spec: StageSpec) -> Callable[[int], float]:
    """The factor of the learning rate at a step of the stage."""

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / (spec.warmup + 1))
        match spec.schedule:
            case "cosine":
                return warm * 0.5 * (1 + math.cos(math.pi * step / spec.steps))
            case "step":
                return warm * (1.0 if step < spec.steps / 2 else 0.2)
            case "milestones":
                return warm * 0.5 ** sum(step >= place for place in spec.milestones)
            case "constant":
                return warm

    return factor
