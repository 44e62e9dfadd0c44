"""A tiny dataset and trainings on it, and what tests of trainings watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.cards.schema import CropView, MixPart, StageSpec
from qbench.draws import keyed
from qbench.registry.named import Named
from qbench.train.core.batches import Batch, Batches, Samples
from qbench.train.core.loop import _step
from qbench.train.core.mix import Mix, mix
from qbench.train.core.optimisers import optimiser
from qbench.train.core.recipe import Recipe, Stage
from qbench.vocabulary import Manifest, Sample


@dataclass(frozen=True)
class Noise:
    """Pictures of smooth noise, a function of their index."""

    count: int = 7
    height: int = 40
    width: int = 52
    label: str = "noise"

    def manifest(self) -> Manifest:
        ids = tuple(str(i) for i in range(self.count))
        return Manifest(ids, ids)

    def load(self, index: int) -> Sample:
        coarse = keyed(0, "picture", 0, str(index)).integers(0, 256, (self.height // 4, self.width // 4, 3))
        return Sample(str(index), coarse.repeat(4, 0).repeat(4, 1).astype(np.uint8), index % 3)


def jpeg_mix(tmp_path: Path) -> Mix:
    """A third clean, two thirds JPEG of quality 5 to 9."""
    jpeg = Named(name="jpeg", params={"quality": {"between": [5, 9]}})
    parts = [MixPart(condition=Named(name="clean")), MixPart(condition=jpeg, weight=2.0)]
    return mix(parts)


def batches(
    tmp_path: Path, seed: int = 0, size: int = 4, view: CropView | None = None, name: str = "source"
) -> Batches:
    view = view or CropView(size=16, scale=(0.5, 1.0))
    return Batches(Samples(Noise(), 7), view, jpeg_mix(tmp_path), size, seed, name)


def steps(recipe: Recipe, count: int = 2) -> list[dict[str, float]]:
    """The losses of the first steps of the first stage."""
    stage = recipe.stages[0]
    stage.prepare()
    return [_step(stage, {"source": stage.roles["source"](i)}, i) for i in range(count)]


def copied(net: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in net.state_dict().items()}


def moved(net: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The names in the state that are no longer as they were `copied` before."""
    return {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}


class Tiny(nn.Module):
    """Two convolutions around a norm and a dropout: weights, running statistics, a counter and draws of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 3, 3, padding=1)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                draw = keyed(0, "tiny", 0, name).standard_normal(tuple(parameter.shape)) * 0.1
                parameter.copy_(torch.from_numpy(draw))

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.last(F.dropout2d(F.relu(self.norm(self.first(x))), 0.3, self.training))
        return x + residual


def tiny_recipe(tmp_path: Path, steps: tuple[int, int] = (8, 6)) -> Recipe:
    """Two stages: Adam with averages, then SGD with momentum, on one channels-last network."""
    net = Tiny().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    specs = [
        StageSpec(steps=steps[0], batch=4, lr=3e-3, schedule="cosine", warmup=2, ema=0.9, lr_factors={"last*": 0.5}),
        StageSpec(steps=steps[1], batch=3, lr=1e-2, optimiser="sgd", schedule="step", weight_decay=1e-4, clip_norm=1.0),
    ]

    def losses(by_role: Mapping[str, Batch], _number: int) -> Mapping[str, Tensor]:
        batch = by_role["source"]
        return {
            "l1": F.l1_loss(net(batch.degraded), batch.clean),
            "mse": 0.5 * F.mse_loss(net(batch.degraded), batch.clean),
        }

    def prepare() -> None:
        net.train()

    stages = [
        Stage(
            f"stage{n}", spec.steps, {"source": batches(tmp_path, size=spec.batch, name=f"stage{n}/source")},
            {"main": optimiser(spec, net.named_parameters())}, losses, prepare, spec.ema,
        )
        for n, spec in enumerate(specs)
    ]  # fmt: skip
    return Recipe({"net": net}, stages, net.state_dict, dict)
