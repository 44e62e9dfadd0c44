"""The losses of QDMR's stages (arXiv 2403.10012, equations 2 and 6-11; weights: the authors' options at ce107ef)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.methods.qdmr.codebook import Codes, usage
from qbench.methods.qdmr.judge import hinge, least_squares
from qbench.methods.qdmr.net import Qdmr
from qbench.methods.qdmr.vqgan import Vqgan
from qbench.train.core.batches import Batch
from qbench.train.recipes.common import Parts
from qbench.train.recipes.qdmr.perception import Perception

REAL, MADE_UP, CONFUSED = 1.0, 0.0, 0.5
JUDGES = ("judge", "judge-features")
"""The losses that discriminators follow; the maker follows the others."""
Losses = Mapping[str, Tensor]


@dataclass(frozen=True)
class Players:
    """The networks of a training. What its losses do not ask for is not there."""

    vqgan: Vqgan | None
    net: Qdmr
    meaning: nn.Module | None
    """1x1 convolution from codes to the width of the frozen features."""
    style: nn.Module | None
    """Discriminator of stage 1: target pictures against reconstructions of source ones."""
    quality: nn.Module | None
    """Discriminator of restored pictures."""
    domain: nn.Module | None
    """Discriminator of features: target against source."""

    @property
    def autoencoder(self) -> Vqgan:
        """`vqgan`, in the stages that need it; the card's schema sees to it that it is there."""
        assert self.vqgan is not None
        return self.vqgan

    def modules(self) -> dict[str, nn.Module]:
        return {name: part for name, part in vars(self).items() if part is not None}


@dataclass(frozen=True)
class StageLosses:
    """What the stages make of their batches: each term times its weight on the card, and the codebook's perplexity,
    which is followed by no optimiser."""

    parts: Parts
    players: Players
    perception: Perception | None
    generated: bool
    """Whether UDA also learns from the pairs that stage 1 generates."""

    def vqgan(self, batches: Mapping[str, Batch]) -> Losses:
        """Stage 1: both domains are reconstructed, and source pictures are to come out like target ones."""
        source, target = (batches[role].degraded for role in ("source", "target"))
        both, players = torch.cat([source, target]), self.players
        with self.parts.precision():
            rebuilt, codes = players.autoencoder(both)
        rebuilt = rebuilt.float()
        losses = self._likeness(rebuilt, both, domains=2) | {"codebook": 2 * codes.loss.mean()}
        if players.meaning is not None and self.perception is not None:
            shown = F.relu(players.meaning(codes.values))
            losses["semantic"] = 2 * F.mse_loss(shown, self.perception.meaning(both))
        if players.style is not None:
            moved = rebuilt[: len(source)]
            losses["transfer"] = least_squares(self._judged(players.style, moved), REAL)
            losses["judge"] = least_squares(self._judged(players.style, target), REAL) + least_squares(
                self._judged(players.style, moved.detach()), MADE_UP
            )
        return self._weighted(losses, codes)

    def base(self, batches: Mapping[str, Batch]) -> Losses:
        """Stage 2: source pictures are restored."""
        source = batches["source"]
        return self._restored([source.degraded], source.clean, target=None)

    def uda(self, batches: Mapping[str, Batch]) -> Losses:
        """Stage 3: source pictures and the pictures generated from them are restored; target features are aligned."""
        source, target = batches["source"], batches["target"]
        given = [source.degraded]
        if self.generated:
            with self.parts.precision(), torch.no_grad():
                given.append(self.players.autoencoder(source.degraded)[0].float())
        return self._restored(given, source.clean, target.degraded)

    def _restored(self, given: list[Tensor], clean: Tensor, target: Tensor | None) -> Losses:
        players, count, domains = self.players, len(clean), len(given)
        with self.parts.precision():
            passed = players.net.passed(torch.cat(given if target is None else [*given, target]))
        paired = count * domains
        pictures, targets = passed.pictures[:paired].float(), clean.repeat(domains, 1, 1, 1)
        losses = self._likeness(pictures, targets, domains)
        if passed.codes is not None:
            losses["commitment"] = domains * passed.codes.loss[:paired].mean()
            if target is not None:
                losses["commitment-target"] = passed.codes.loss[paired:].mean()
        if players.quality is not None:
            losses["hinge"] = -domains * self._judged(players.quality, pictures).mean()
            fakes = hinge(self._judged(players.quality, pictures.detach()), real=False)
            losses["judge"] = hinge(self._judged(players.quality, clean), real=True) + domains * fakes
        if target is not None and players.domain is not None:
            losses |= self._aligned(passed.features[:count], passed.features[paired:], players.domain)
        return self._weighted(losses, passed.codes)

    def _aligned(self, source: Tensor, target: Tensor, domain: nn.Module) -> dict[str, Tensor]:
        """Both domains' features are to confuse the discriminator that tells them apart (equations 9-11)."""
        judged = least_squares(self._judged(domain, target.detach()), REAL)
        return {
            "align-source": least_squares(self._judged(domain, source), CONFUSED),
            "align-target": least_squares(self._judged(domain, target), CONFUSED),
            "judge-features": judged + least_squares(self._judged(domain, source.detach()), MADE_UP),
        }

    def _likeness(self, pictures: Tensor, targets: Tensor, domains: int) -> dict[str, Tensor]:
        """l1 and the perceptual loss, each the sum of the means over the domains."""
        losses = {"l1": domains * F.l1_loss(pictures, targets)}
        if "perceptual" in self.parts.spec.loss and self.perception is not None:
            losses["perceptual"] = domains * self.perception.distance(pictures, targets)
        return losses

    def _judged(self, judge: nn.Module, pictures: Tensor) -> Tensor:
        with self.parts.precision():
            logits: Tensor = judge(pictures)
        return logits.float()

    def _weighted(self, losses: Mapping[str, Tensor], codes: Codes | None) -> Losses:
        loss = self.parts.spec.loss
        weighted = {name: loss[name].weight * value for name, value in losses.items() if name in loss}
        weighted |= {name: losses[name] for name in JUDGES if name in losses}
        if codes is not None:
            weighted["perplexity"] = usage(codes.indices, self.players.net.shape.codes)[0]
        return weighted
