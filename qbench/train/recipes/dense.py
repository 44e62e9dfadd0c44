"""The built-in segmenter and detector of scenes, from the classifier's trunk."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.data.scenes.scene import CLASSES
from qbench.methods.initial import initialise
from qbench.models.base import LoadedModel
from qbench.models.builtin import INPUT, SITES
from qbench.models.scenes_boxes import targets_of
from qbench.models.scenes_dense_net import ScenesDetector, ScenesSegmenter
from qbench.shipped import shipped
from qbench.train.batches import Batch
from qbench.train.loop import Recipe
from qbench.train.recipes.common import Losses, Parts, channels_last, measure, stages


def segmenter(parts: Parts) -> Recipe:
    """Cross-entropy at every pixel (`ce`), background a class of its own."""
    net = ScenesSegmenter(len(CLASSES) + 1)
    model = LoadedModel(net, INPUT, SITES)

    def losses(batch: Batch) -> Mapping[str, Tensor]:
        assert batch.masks is not None
        with parts.precision():
            logits = model.logits(batch.degraded)
        return {"ce": F.cross_entropy(logits.float(), batch.masks)}

    return _recipe(parts, net, losses)


def detector(parts: Parts) -> Recipe:
    """`heat`: the focal loss of CenterNet (alpha 2, beta 4; arXiv 1904.07850, equation 1); `box`: 1 - generalised IoU
    of the sides around the middles (arXiv 1902.09630)."""
    net = ScenesDetector(len(CLASSES))
    model = LoadedModel(net, INPUT, SITES)
    wanted = parts.spec.loss

    def losses(batch: Batch) -> Mapping[str, Tensor]:
        assert batch.masks is not None
        assert batch.instances is not None
        heat, sides, counts = targets_of(batch.masks, batch.instances, len(CLASSES))
        with parts.precision():
            maps = model.predict(batch.degraded).float()
        found = {"heat": focal(maps[:, :-4], heat), "box": 1 - giou(maps[:, -4:], sides, counts)}
        return {name: wanted[name].weight * value for name, value in found.items()}

    return _recipe(parts, net, losses)


def focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Over maps [B, K, h, w], divided by the number of middles."""
    at = heat.eq(1).float()
    likely, unlikely = F.logsigmoid(logits), F.logsigmoid(-logits)
    score = logits.sigmoid()
    loss = at * (1 - score) ** 2 * likely + (1 - at) * (1 - heat) ** 4 * score**2 * unlikely
    return -loss.sum() / at.sum().clamp_min(1)


def giou(predicted: Tensor, sides: Tensor, counts: Tensor) -> Tensor:
    """The mean generalised IoU of boxes around one place, given by their sides [B, 4, h, w], weighted by counts."""
    area, truth = (((s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3])) for s in (predicted, sides))
    inner, outer = torch.minimum(predicted, sides), torch.maximum(predicted, sides)
    common = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    hull = (outer[:, 0] + outer[:, 2]) * (outer[:, 1] + outer[:, 3])
    union = (area + truth - common).clamp_min(1e-6)
    value = common / union - (hull - union) / hull.clamp_min(1e-6)
    return (value * counts).sum() / counts.sum().clamp_min(1e-6)


def _recipe(parts: Parts, net: ScenesSegmenter | ScenesDetector, losses: Losses) -> Recipe:
    _initialise(net, parts.seed)
    net.start_from(load_file(shipped("baselines/weights/builtin-scenes.safetensors")))
    channels_last(net, parts.device)

    def prepare() -> None:
        net.train()

    return Recipe(
        {"net": net},
        stages(parts, net, losses, prepare),
        lambda: dict(net.state_dict()),
        lambda: measure(parts, net, losses),
    )


def _initialise(net: nn.Module, seed: int) -> None:
    """First weights drawn by the seed, but for the biases of the heads, which are set where scores begin low."""
    kept = {name: value.clone() for name, value in net.state_dict().items() if name in {"heat.bias", "sides.bias"}}
    initialise(net, seed)
    net.load_state_dict({**net.state_dict(), **kept})
