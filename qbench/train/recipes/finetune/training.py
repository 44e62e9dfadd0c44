"""Training a model itself: fine-tuning on degraded images, and the built-in classifier from the start."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from qbench.data.scenes.scene import CLASSES, SMALLEST
from qbench.models.base import LoadedModel
from qbench.models.builtin.classifier_net import ScenesNet
from qbench.models.builtin.declared import INPUT, SITES
from qbench.models.initial import initialise
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batch
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts, channels_last, frozen, layers, measure, stages
from qbench.train.recipes.finetune import ClassifierTraining, FinetuneTraining
from qbench.train.recipes.supervised import Supervised, freeze


def finetune(parts: Parts) -> Recipe:
    """All weights of a model but those that `freeze` names, on degraded images: from labels, masks or boxes, and by
    `kl` to the clean-image teacher (the model before).

    Norms keep their statistics, folded into the convolutions as the model runs, so that the shipped state fits it."""
    options = FinetuneTraining(**parts.spec.network)
    loaded = parts.built()
    teacher = replace(loaded, net=frozen(copy.deepcopy(loaded.net)))
    freeze(loaded.net, options.freeze)
    return _recipe(parts, loaded, Supervised(parts, loaded, teacher, options.smoothing), moving=False)


def classifier(parts: Parts) -> Recipe:
    """The built-in classifier, from the seed's first weights, by cross-entropy (`network: {smoothing: 0.1}`).

    The term `mask` adds a 1x1 convolution behind an inner layer that names the class at every place of its map; it
    only helps the training and does not ship."""
    net = ScenesNet(len(CLASSES))
    whole = nn.ModuleDict({"net": net})
    if "mask" in parts.spec.loss:
        width = _width(net, parts.spec.loss["mask"].sites[0])
        whole["head"] = nn.Conv2d(width, len(CLASSES) + 1, 1)
    initialise(whole, parts.seed)
    channels_last(whole, parts.device)
    model, options = LoadedModel(net, INPUT, SITES), ClassifierTraining(**parts.spec.network)
    return _recipe(parts, model, Supervised(parts, model, smoothing=options.smoothing), moving=True, whole=whole)


@torch.no_grad()
def _width(net: nn.Module, layer: str) -> int:
    with layers(net, [layer]) as maps:
        net.eval()(torch.zeros(1, 3, SMALLEST, SMALLEST))
    return int(maps[layer].shape[1])


def _recipe(
    parts: Parts, model: LoadedModel, supervised: Supervised, moving: bool, whole: nn.ModuleDict | None = None
) -> Recipe:
    loss = parts.spec.loss
    inner = loss["mask"].sites if "mask" in loss else ()

    def losses(batch: Batch) -> Mapping[str, Tensor]:
        with layers(model.net, inner) as maps:
            values = dict(supervised(batch))
        if inner and whole is not None and batch.masks is not None:
            dense = terms.dense(whole["head"](maps[inner[0]].float()), batch.masks)
            values["mask"] = loss["mask"].weight * dense
        return values

    def prepare() -> None:
        model.net.train(moving)

    trained = {"net": model.net} if whole is None else dict(whole.items())
    return Recipe(
        trained,
        stages(parts, whole or model.net, losses, prepare),
        lambda: dict(model.net.state_dict()),
        lambda: measure(parts, model.net, losses, model.logits),
    )
