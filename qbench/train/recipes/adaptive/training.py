"""Training quality-adaptive modules inside a model: the modules alone, or the whole network with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from qbench.errors import QbenchError
from qbench.methods.adaptive import reads_quality, standardise
from qbench.methods.inserted import state_of
from qbench.methods.quac.acon import Acon, MetaAcon, QAcon
from qbench.methods.quac.adapt import adapt as adapt_quac
from qbench.methods.quarf.adapt import adapt as adapt_quarf
from qbench.methods.quarf.block import Quarf
from qbench.models.base import LoadedModel
from qbench.models.initial import initialise
from qbench.quality.features import Feature, feature
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batch
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.adaptive import QuacTraining, QuarfTraining
from qbench.train.recipes.common import Parts, channels_last, frozen, layers, measure, stages
from qbench.train.recipes.supervised import Supervised

QUALITY_BATCHES = 12
"""Batches of the source whose features are standardised to zero mean and unit deviation."""
PART = 0.25
"""The unit of maps as a part of their root mean square. The first beta in such units is never further from a ReLU than
1.4 % of that size; in units of the whole of it, SqueezeNet lost 12 of 62 points before its training."""


@dataclass(frozen=True)
class Adapted:
    """A model with new modules at `paths`, and what its weights say of it."""

    model: LoadedModel
    paths: Sequence[str]
    feature: Feature
    metadata: Mapping[str, str]
    extra: Callable[[], Mapping[str, Tensor]] = dict
    """Losses of the modules themselves after a forward pass, by the names of their terms, where one is wanted."""


def quac(parts: Parts) -> Recipe:
    """QuAC: adaptive activations in a model.

    Terms: those of `Supervised`, as in fine-tuning: `ce` from labels or masks, `l1` and `mse` of a restorer's pictures
    to the clean ones, and others; with the clean-image teacher (the model before, on clean pictures) `kl` on
    predictions and `deeper` on the maps of `sites`, as the published figure draws it.
    `network: {scaled: true}`: beta and the means count in units of each place's maps, for networks whose maps are far
    from 1; what ships counts in units of 1 again. Raises QbenchError for that with meta-ACON."""
    options = QuacTraining(**parts.spec.network)
    quality = feature(options.quality, options.quality_weights)
    loaded = parts.built()
    teacher = _teacher(loaded)
    model, paths = adapt_quac(loaded, options, quality, parts.seed)
    _first_weights(model.net, paths, parts.seed)
    if options.scaled:
        _work_in_units(parts, model, paths)
    return _recipe(parts, Adapted(model, paths, quality, options.metadata(quality.key)), teacher, options)


def quarf(parts: Parts) -> Recipe:
    """QuARF: blocks of adaptive receptive fields in a model. Terms as of `quac`, and `importance`, which keeps the
    router from using few experts."""
    options = QuarfTraining(**parts.spec.network)
    quality = feature(options.quality, options.quality_weights)
    loaded = parts.built()
    teacher = _teacher(loaded)
    model, paths = adapt_quarf(loaded, options, quality, parts.seed)

    def importance() -> dict[str, Tensor]:
        blocks = [module for module in model.net.modules() if isinstance(module, Quarf)]
        return {"importance": torch.stack([block.importance() for block in blocks]).mean()} if blocks else {}

    return _recipe(parts, Adapted(model, paths, quality, options.metadata(quality.key), importance), teacher, options)


def _teacher(loaded: LoadedModel) -> LoadedModel:
    return LoadedModel(frozen(copy.deepcopy(loaded.net)), loaded.input, loaded.sites, loaded.decode)


def _first_weights(net: nn.Module, paths: Sequence[str], seed: int) -> None:
    """Draw the new modules' inner layers by the seed; what closes them stays as they set it."""
    for path in paths:
        module = net.get_submodule(path)
        if isinstance(module, MetaAcon | QAcon):
            initialise(nn.ModuleDict({path.replace(".", "/"): module.squeeze}), seed)
        if isinstance(module, QAcon):
            initialise(nn.ModuleDict({f"{path.replace('.', '/')}/narrow": module.narrow}), seed)


@torch.no_grad()
def _work_in_units(parts: Parts, model: LoadedModel, paths: Sequence[str]) -> None:
    """Give every activation its unit, by the maps that it sees in a batch of the source."""
    sizes: dict[str, float] = {}

    def keeper(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _module, inputs: sizes.__setitem__(path, float(inputs[0].float().square().mean().sqrt()))

    handles = [model.net.get_submodule(path).register_forward_pre_hook(keeper(path)) for path in paths]
    try:
        model.predict(parts.batches("source", "quality", 32)(0).degraded)
    finally:
        for handle in handles:
            handle.remove()
    for path, size in sizes.items():
        try:
            cast(Acon, model.net.get_submodule(path)).work_in(PART * size)
        except ValueError as error:
            raise QbenchError(f"`scaled` at {path!r}: {error}") from error


def _settled(net: nn.Module) -> nn.Module:
    """`net`, or where activations count in units of their own, a copy in which these are put into the weights."""
    if all(module.unit == 1.0 for module in net.modules() if isinstance(module, Acon)):
        return net
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, Acon):
            module.settle()
    return net


def _recipe(parts: Parts, adapted: Adapted, teacher: LoadedModel, options: QuacTraining | QuarfTraining) -> Recipe:
    model, whole = adapted.model, options.train == "whole"
    model.net.requires_grad_(whole)
    for path in adapted.paths:
        model.net.get_submodule(path).requires_grad_(True)
    if reads_quality(model.net):
        make = parts.batches("source", "quality", 32)
        standardise(model.net, torch.cat([adapted.feature.of(make(i).degraded) for i in range(QUALITY_BATCHES)]))
    channels_last(model.net, parts.device)
    losses = _Loss(parts, adapted, Supervised(parts, model, teacher, options.smoothing), teacher)

    def prepare() -> None:
        model.net.eval()  # as in fine-tuning: norms keep their statistics, and nothing is dropped out
        for path in adapted.paths:
            model.net.get_submodule(path).train()

    def ship() -> Mapping[str, Tensor]:
        net = _settled(model.net)
        return dict(net.state_dict()) if whole else state_of(net, adapted.paths)

    return Recipe(
        {"net": model.net},
        stages(parts, model.net, losses, prepare),
        ship,
        lambda: measure(parts, model.net, losses, model.logits),
        adapted.metadata,
    )


class _Loss:
    """The terms of fine-tuning, with the teacher's maps and the modules' own terms beside them."""

    def __init__(self, parts: Parts, adapted: Adapted, supervised: Supervised, teacher: LoadedModel) -> None:
        self.parts, self.adapted, self.teacher = parts, adapted, teacher
        self.loss = parts.spec.loss
        self.supervised = supervised
        model, sites = adapted.model, self.loss["deeper"].sites if "deeper" in self.loss else ()
        self.layers = {teacher.path(site): model.path(site) for site in sites}

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        with layers(self.adapted.model.net, list(self.layers.values())) as student_maps:
            losses = dict(self.supervised(batch))
        if self.layers:
            with torch.no_grad(), self.parts.precision(), layers(self.teacher.net, list(self.layers)) as teacher_maps:
                self.teacher.predict(batch.clean)
            pairs = [terms.deeper(student_maps[b].float(), teacher_maps[a].float()) for a, b in self.layers.items()]
            losses["deeper"] = self.loss["deeper"].weight * torch.stack(pairs).mean()
        extra = self.adapted.extra() if "importance" in self.loss else {}
        for name, value in extra.items():
            losses[name] = self.loss[name].weight * value
        return losses
