"""What all kinds of recipes share: their parts, stages, measures and helpers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from qbench.cards.schema import RecipeSpec, StageSpec
from qbench.models.base import LoadedModel
from qbench.train.core.batches import Batch, Batches, Samples
from qbench.train.core.mix import Mix
from qbench.train.core.optimisers import optimiser
from qbench.train.core.recipe import Stage

MEASURED = 256
"""Validation samples that a training is measured on at its end."""


@dataclass(frozen=True)
class Parts:
    """A card's recipe with its data, degradations and model: what a kind of recipe builds on."""

    method: str
    spec: RecipeSpec
    seed: int
    device: str
    samples: Mapping[str, Samples]
    mix: Mix
    model: Any
    """The declared model of the card, not yet built; None at the image site."""
    mixes: Mapping[str, Mix] = field(default_factory=dict)
    """The degradations of the roles that have their own."""

    def batches(self, role: str, name: str, size: int) -> Callable[[int], Batch]:
        """Batches of a data role, on the device, keyed by `name`."""
        make = Batches(self.samples[role], self.spec.crop, self.mix, size, self.seed, f"{name}/{role}")
        if self.device == "cpu":
            return make

        def moved(step: int) -> Batch:
            batch = make(step)
            tensors: dict[str, Any] = {
                name: value.to(self.device) for name, value in vars(batch).items() if isinstance(value, Tensor)
            }
            return replace(batch, **tensors)

        return moved

    def precision(self) -> torch.autocast:
        """The context in which forward passes run."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.spec.precision == "bfloat16")

    def built(self) -> LoadedModel:
        """The model as it runs, in eval mode, on the device."""
        loaded: LoadedModel = self.model.build()
        loaded.net.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        return loaded


Losses = Callable[[Batch], Mapping[str, Tensor]]


def stages(parts: Parts, net: nn.Module, losses: Losses, prepare: Callable[[], None]) -> tuple[Stage, ...]:
    """One stage for each on the card, all on the parameters of `net` under the same losses."""
    numbered = enumerate(parts.spec.stages, start=1)
    return tuple(_stage(parts, f"stage{number}", spec, net, losses, prepare) for number, spec in numbered)


def _stage(
    parts: Parts, name: str, spec: StageSpec, net: nn.Module, losses: Losses, prepare: Callable[[], None]
) -> Stage:
    trained = [(key, value) for key, value in net.named_parameters() if value.requires_grad]

    def step(batches: Mapping[str, Batch], _step: int) -> Mapping[str, Tensor]:
        return losses(batches["source"])

    roles = {"source": parts.batches("source", name, spec.batch)}
    return Stage(name, spec.steps, roles, {"main": optimiser(spec, trained)}, step, prepare, spec.ema)


@torch.no_grad()
def measure(
    parts: Parts, net: nn.Module, losses: Losses, logits: Callable[[Tensor], Tensor] | None = None
) -> dict[str, float]:
    """Mean losses on the validation role in eval mode, and accuracy where there are labels; {} without that role."""
    if "validation" not in parts.samples:
        return {}
    net.eval()
    size = min(16, parts.samples["validation"].count)
    count = max(1, min(MEASURED, parts.samples["validation"].count) // size)
    make = parts.batches("validation", "measure", size)
    sums: dict[str, float] = {}
    for batch in map(make, range(count)):
        values = {f"validation {name}": float(value) for name, value in losses(batch).items()}
        if logits is not None and batch.targets is not None:
            for name, images in (("clean", batch.clean), ("degraded", batch.degraded)):
                output = logits(images)
                if isinstance(output, Tensor) and output.dim() == 2:
                    values[f"top-1 {name}"] = float((output.argmax(1) == batch.targets).float().mean())
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value / count
    return sums


def frozen(net: nn.Module) -> nn.Module:
    """`net` in eval mode, its parameters out of reach of any gradient."""
    return net.eval().requires_grad_(False)


def channels_last(net: nn.Module, device: str) -> nn.Module:
    """`net` on the device with channels-last weights."""
    moved: nn.Module = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


@contextmanager
def layers(net: nn.Module, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """The outputs of these layers in the forward passes made inside; the halves of a cut share the net's layers."""
    outputs: dict[str, Tensor] = {}

    def keep(path: str) -> object:
        return net.get_submodule(path).register_forward_hook(lambda _m, _i, output: outputs.__setitem__(path, output))

    handles = [keep(path) for path in paths]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]
