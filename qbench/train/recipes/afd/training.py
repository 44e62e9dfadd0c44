"""Feature enhancers: features of a degraded image to those of its clean twin (AFD, arXiv 2401.01724, section III)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from qbench.methods.afd.net import Afd
from qbench.models.base import Cut, LoadedModel
from qbench.models.initial import initialise
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batch
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.afd import AfdTraining
from qbench.train.recipes.common import Parts, channels_last, frozen, layers, measure, stages
from qbench.train.recipes.supervised import of_logits, of_pictures

SCALE_BATCHES = 16
GATE_SHARPNESS = 4.0
"""The hard sigmoid runs from 0 to 1 while its input moves by one; this logistic is as steep in the middle."""


def build(parts: Parts) -> Recipe:
    """Trains the module at a site of the frozen model; ships its deployed form.

    Terms: `feature`, the mean squared error of features, divided by the clean ones' standard deviation or with
    `network: {standardise: false}` as they are (the published objective); `kl` and `deeper` compare what the frozen
    rest of the model makes of them, with the clean image as the teacher; `l1` and `mse` what a restorer makes of them
    with the clean picture; `gate` teaches the image-level gate whether the degradation changed the image."""
    options = AfdTraining(**parts.spec.network)
    model = parts.built()
    frozen(model.net)
    cut = model.cut(options.site)
    net = Afd(options, cut.geometry(), options.form)
    initialise(net, parts.seed, zero=(*net.closing, "gate.out"))
    if options.standardise:
        net.scale.copy_(clean_std(parts, cut))
    channels_last(net, parts.device)
    loss = _Loss(parts, net, model, cut)

    def ship() -> Mapping[str, Tensor]:
        return dict((net.deploy() if options.form == "train" else net).state_dict())

    def logits(images: Tensor) -> Tensor:
        return cast(Tensor, cut.back(net(cut.front(images), images), images))

    def prepare() -> None:
        net.train()

    return Recipe(
        {"net": net},
        stages(parts, net, loss, prepare),
        ship,
        lambda: measure(parts, net, loss, logits),
        options.metadata(),
    )


@torch.no_grad()
def clean_std(parts: Parts, cut: Cut) -> Tensor:
    """[C]: standard deviation of each channel of clean features, over the first batches."""
    make = parts.batches("source", "scale", 8)
    features = [cut.front(make(step).clean).double() for step in range(SCALE_BATCHES)]
    moments = torch.stack([torch.stack((f.mean((0, 2, 3)), f.square().mean((0, 2, 3)))) for f in features]).mean(0)
    std = (moments[1] - moments[0].square()).clamp_min(0).sqrt()
    return std.clamp_min(float(std.mean()) * 1e-3 + 1e-12).float()


class _Loss:
    """The weighted terms for one batch."""

    def __init__(self, parts: Parts, net: Afd, model: LoadedModel, cut: Cut) -> None:
        self.parts, self.net, self.model, self.cut, self.loss = parts, net, model, cut, parts.spec.loss
        self.layers = [model.path(site) for site in self.loss["deeper"].sites] if "deeper" in self.loss else []

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        with self.parts.precision(), torch.no_grad():
            degraded, clean = self.cut.front(batch.degraded), self.cut.front(batch.clean)
        with self.parts.precision():
            enhanced = self.net(degraded, batch.degraded)
        losses: dict[str, Tensor] = {}
        if "feature" in self.loss:
            losses["feature"] = terms.feature(enhanced.float(), clean.float(), self.net.scale)
        if "kl" in self.loss or "deeper" in self.loss:
            losses |= self._through(batch, enhanced, clean)
        if "l1" in self.loss or "mse" in self.loss:
            with self.parts.precision():
                restored = self.cut.back(enhanced, batch.degraded)
            losses |= of_pictures(self.loss, restored, batch)
        if "gate" in self.loss and self.net.gate is not None:
            luma = self.net.dct.planes(batch.degraded)[:, :1]
            evidence = self.net.gate.logits(self.net.dct, luma)
            wants_help = batch.help.to(evidence.dtype)
            losses["gate"] = F.binary_cross_entropy_with_logits(GATE_SHARPNESS * evidence, wants_help)
        return {name: self.loss[name].weight * value for name, value in losses.items()}

    def _through(self, batch: Batch, enhanced: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """The terms on what the frozen rest of the model makes of the features."""
        with self.parts.precision(), torch.no_grad(), layers(self.model.net, self.layers) as teacher_maps:
            teacher = self.cut.back(clean, batch.clean)
        with self.parts.precision(), layers(self.model.net, self.layers) as student_maps:
            student = self.cut.back(enhanced, batch.degraded)
        losses = {}
        if "kl" in self.loss:
            actual, expected = (of_logits(output, batch).float() for output in (student, teacher))
            losses["kl"] = terms.kl(actual, expected, self.loss["kl"].temperature)
        if "deeper" in self.loss:
            pairs = [terms.deeper(student_maps[name].float(), teacher_maps[name].float()) for name in self.layers]
            losses["deeper"] = torch.stack(pairs).mean()
        return losses
