"""Reprogrammed restorers (method `osr`): the restorer first, then the transforms around it; and the restorer alone.

All stages of a card train a restorer alone (`plain`); else the first one trains the restorer and the others the
transforms, or all of them the transforms where the restorer stays as drawn (`restorer_init: random`). The batches of a
stage depend on its number and the seed only, so that a method and its control part after the first stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.cards.schema import StageSpec
from qbench.errors import QbenchError
from qbench.methods.osr.net import Osr
from qbench.models.base import LoadedModel
from qbench.train.core.batches import Batch
from qbench.train.core.optimisers import optimiser
from qbench.train.core.recipe import Recipe, Stage
from qbench.train.recipes.common import Losses, Parts, channels_last, frozen, layers, measure
from qbench.train.recipes.osr import OsrTraining


def build(parts: Parts) -> Recipe:
    """Ships the restorer and its transforms in one file. Raises QbenchError for a card with too few stages."""
    options = OsrTraining(**parts.spec.network)
    alone = options.plain or options.restorer_init == "random"
    if not alone and len(parts.spec.stages) < 2:
        raise QbenchError("a trained restorer needs two stages or more: the first is its own, the others reprogram it")
    net = Osr(options)
    net.start(parts.seed)
    channels_last(net, parts.device)
    loss = Loss(parts)

    def stage(number: int, spec: StageSpec) -> Stage:
        name = f"stage{number + 1}"
        if not alone and number == 0:
            return _stage(parts, name, spec, net.restorer, net, loss)
        return _stage(parts, name, spec, net, net, loss, still=options.freeze_restorer and not options.plain)

    return Recipe(
        {"net": net},
        tuple(stage(number, spec) for number, spec in enumerate(parts.spec.stages)),
        lambda: dict(net.state_dict()),
        lambda: measure(parts, net, loss.of(net)),
        options.metadata(),
    )


def _stage(
    parts: Parts, name: str, spec: StageSpec, part: nn.Module, net: Osr, loss: Loss, *, still: bool = False
) -> Stage:
    """One stage on the parameters of `part`, without the restorer's where it stands still."""
    fixed = set(net.restorer.parameters()) if still else set()
    trained = [(key, value) for key, value in part.named_parameters() if value not in fixed]
    of_part = loss.of(part)

    def step(batches: Mapping[str, Batch], _step: int) -> Mapping[str, Tensor]:
        return of_part(batches["source"])

    def prepare() -> None:
        net.train()
        net.restorer.train(not still).requires_grad_(not still)

    roles = {"source": parts.batches("source", name, spec.batch)}
    return Stage(name, spec.steps, roles, {"main": optimiser(spec, trained)}, step, prepare, spec.ema)


class Loss:
    """`smooth_l1` of the pictures, and `perceptual`: the mean over layers of the mean squared error of what the card's
    frozen `model` makes of them (Johnson et al., ECCV 2016; the release: three layers of VGG16 at weight 0.04)."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.loss = parts, parts.spec.loss
        self.model: LoadedModel | None = None
        if "perceptual" in self.loss:
            self.model = parts.built()
            frozen(self.model.net)
            self.sites = [self.model.path(site) for site in self.loss["perceptual"].sites]

    def of(self, net: nn.Module) -> Losses:
        """The weighted terms of what `net` makes of a batch."""

        def losses(batch: Batch) -> Mapping[str, Tensor]:
            with self.parts.precision():
                restored = cast(Tensor, net(batch.degraded)).float()
            losses = {}
            if "smooth_l1" in self.loss:
                losses["smooth_l1"] = F.smooth_l1_loss(restored, batch.clean)
            if self.model is not None:
                losses["perceptual"] = self._perceptual(self.model, restored, batch.clean)
            return {name: self.loss[name].weight * value for name, value in losses.items()}

        return losses

    def _perceptual(self, model: LoadedModel, restored: Tensor, clean: Tensor) -> Tensor:
        with self.parts.precision():
            with torch.no_grad(), layers(model.net, self.sites) as targets:
                model.predict(clean)
            with layers(model.net, self.sites) as maps:
                model.predict(restored)
        return torch.stack([F.mse_loss(maps[site].float(), targets[site].float()) for site in self.sites]).mean()
