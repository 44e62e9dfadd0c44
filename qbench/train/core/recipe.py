"""What the loop trains: modules in stages, each with its batches, optimisers and losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from qbench.train.core.batches import Batch


@dataclass(frozen=True)
class Optimiser:
    """An optimiser, its learning rate by step, and the losses whose sum it follows (None: all)."""

    torch: torch.optim.Optimizer
    rate: Callable[[int], float]
    """Factor of each group's `initial_lr`."""
    losses: tuple[str, ...] | None = None
    clip_norm: float | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.torch.param_groups for parameter in group["params"]]


@dataclass(frozen=True)
class Stage:
    """One stage. `step(batches by role, i)` gives the weighted losses by name; where every optimiser names the losses
    that it follows, also figures for the log alone. `prepare` runs when the stage starts or is resumed, and sets what
    no checkpoint holds: modes, frozen parts."""

    name: str
    steps: int
    roles: Mapping[str, Callable[[int], Batch]]
    optimisers: Mapping[str, Optimiser]
    step: Callable[[Mapping[str, Batch], int], Mapping[str, Tensor]]
    prepare: Callable[[], None] = lambda: None
    ema: float | None = None
    """Decay of the averages of all modules, which take the modules' place at the stage's end."""
    begin: Callable[[], None] = lambda: None
    """Called once before the first step, not when the stage is resumed; for weights taken over from earlier stages."""


@dataclass(frozen=True)
class Recipe:
    """What the loop trains: modules by name, stages in order, and the state that ships at the end."""

    modules: Mapping[str, nn.Module]
    stages: Sequence[Stage]
    ship: Callable[[], Mapping[str, Tensor]]
    measure: Callable[[], Mapping[str, float]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Written into the weights' header, for a method to build the network. At most one entry: safetensors writes
    several in no fixed order, and the same training must give the same bytes."""

    def __post_init__(self) -> None:
        if len(self.metadata) > 1:
            raise ValueError(f"the metadata of weights takes one entry, not {sorted(self.metadata)}")
