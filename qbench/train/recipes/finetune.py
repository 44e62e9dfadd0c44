"""Training a classifier itself: fine-tuning on degraded images, and the built-in classifier from the start."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from qbench.errors import DataError
from qbench.models.base import LoadedModel
from qbench.train import losses as terms
from qbench.train.batches import Batch
from qbench.train.loop import Recipe
from qbench.train.recipes.common import Parts, channels_last, frozen, measure, stages


def finetune(parts: Parts) -> Recipe:
    """All weights of a model, on degraded images: `ce` from labels, `kl` to the clean-image teacher (the model before).

    Norms keep their statistics, folded into the convolutions as the model runs, so that the shipped state fits it."""
    loaded = parts.built(fold=True)
    teacher = LoadedModel(frozen(copy.deepcopy(loaded.net)), loaded.input, loaded.sites)
    loaded.net.requires_grad_(True)
    return _recipe(parts, loaded, teacher, moving=False)


def classifier(parts: Parts) -> Recipe:
    """The built-in classifier, from the seed's first weights, by cross-entropy (`network: {smoothing: 0.1}`)."""
    from qbench.data.scenes.scene import CLASSES
    from qbench.methods.initial import initialise
    from qbench.models.builtin import INPUT, SITES
    from qbench.models.scenes_net import ScenesNet

    net = ScenesNet(len(CLASSES))
    initialise(net, parts.seed)
    return _recipe(parts, LoadedModel(channels_last(net, parts.device), INPUT, SITES), None, moving=True)


def _recipe(parts: Parts, model: LoadedModel, teacher: LoadedModel | None, moving: bool) -> Recipe:
    wanted, smoothing = parts.spec.loss, float(parts.spec.network.get("smoothing", 0.0))

    def losses(batch: Batch) -> Mapping[str, Tensor]:
        with parts.precision():
            logits = model.logits(batch.degraded)
        logits = logits.float()
        found: dict[str, Tensor] = {}
        if "ce" in wanted:
            if batch.targets is None:
                raise DataError("the loss `ce` needs labels, and the source has none; use `kl`")
            found["ce"] = F.cross_entropy(logits, batch.targets, label_smoothing=smoothing)
        if "kl" in wanted and teacher is not None:
            with torch.no_grad():
                expected = teacher.logits(batch.clean)
            found["kl"] = terms.kl(logits, expected, wanted["kl"].temperature)
        return {name: wanted[name].weight * value for name, value in found.items()}

    def prepare() -> None:
        model.net.train(moving)

    return Recipe(
        {"net": model.net},
        stages(parts, model.net, losses, prepare),
        lambda: dict(model.net.state_dict()),
        lambda: measure(parts, model.net, losses, model.logits),
    )
