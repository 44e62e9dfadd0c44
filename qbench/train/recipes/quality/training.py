"""The quality encoder: pictures with the same degradation, whatever they show, drawn together; others pushed apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.draws import Draw
from qbench.models.initial import initialise
from qbench.quality.encoder import DIMENSION, SCALES, QualityEncoder
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batch
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts, channels_last, stages

PROJECTED = 64
NEIGHBOURS = 5
REFERENCE, MEASURED = 2048, 1024
"""Pictures that neighbours are looked for among, and pictures that look for theirs."""


@dataclass(frozen=True)
class OfDegradations(Parts):
    """The label of a sample is the place of its degradation in the mix."""

    def batches(self, role: str, name: str, size: int) -> Callable[[int], Batch]:
        make = super().batches(role, name, size)

        def labelled(step: int) -> Batch:
            draws = (Draw(self.seed, f"{name}/{role}/{step}/{slot}") for slot in range(size))
            return replace(make(step), targets=torch.tensor([self.mix.place(draw) for draw in draws]).to(self.device))

        return labelled


def build(given: Parts) -> Recipe:
    """Trains the encoder by `contrast` over both scales of every crop, behind a projection that does not ship."""
    parts = OfDegradations(**{field.name: getattr(given, field.name) for field in fields(Parts)})
    net = QualityEncoder(norms=True)
    width = DIMENSION // SCALES
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, PROJECTED))
    whole = nn.ModuleDict({"net": net, "head": head})
    initialise(whole, parts.seed)
    channels_last(whole, parts.device)
    term = parts.spec.loss["contrast"]

    def losses(batch: Batch) -> Mapping[str, Tensor]:
        assert batch.targets is not None
        with parts.precision():
            projected = torch.cat([head(scale) for scale in net.scales(batch.degraded)])
        loss = terms.contrast(projected.float(), batch.targets.repeat(SCALES), term.temperature)
        return {"contrast": term.weight * loss}

    def prepare() -> None:
        whole.train()

    return Recipe(
        {"net": net, "head": head},
        stages(parts, whole, losses, prepare),
        lambda: dict(net.deploy().state_dict()),
        lambda: measure(parts, net.deploy()),
    )


@torch.no_grad()
def measure(parts: Parts, net: QualityEncoder) -> dict[str, float]:
    """On held-out pictures: how often the nearest neighbours among training pictures name the degradation and its
    severity (`knn exact`) or the degradation (`knn kind`), what chance would give, and how severities are ordered:
    the rank correlation of level and mean distance from clean pictures, over the kinds with several levels, whose
    levels the card lists from mild to severe (`severity`)."""
    if "validation" not in parts.samples:
        return {}
    references, reference_labels = _embedded(parts, net, "source", REFERENCE)
    queries, labels = _embedded(parts, net, "validation", MEASURED)
    names = [part.condition.name for part in parts.spec.degradation]
    kinds = torch.tensor([names.index(name) for name in names])
    near = reference_labels[(queries @ references.T).topk(NEIGHBOURS, dim=1).indices]
    exact = near.mode(dim=1).values == labels
    kind = kinds[near].mode(dim=1).values == kinds[labels]
    values = {
        "knn exact": float(exact.double().mean()),
        "knn exact by chance": 1 / len(names),
        "knn kind": float(kind.double().mean()),
        "knn kind by chance": float(kinds[labels].bincount().max()) / len(labels),
    }
    distance = _distances(queries, labels, names)
    return values | ({"severity": _order(names, distance)} if distance else {})


def _embedded(parts: Parts, net: QualityEncoder, role: str, count: int) -> tuple[Tensor, Tensor]:
    make = parts.batches(role, "measure", 32)
    batches = [make(step) for step in range(count // 32)]
    labels = torch.cat([b.targets.cpu() for b in batches if b.targets is not None])
    return F.normalize(torch.cat([net(b.degraded).cpu() for b in batches]), dim=1), labels


def _distances(embedded: Tensor, labels: Tensor, names: Sequence[str]) -> list[float]:
    """Of each part of the mix: how far its pictures lie from the mean of the clean ones; [] without clean ones."""
    if "clean" not in names:
        return []
    middle = embedded[labels == names.index("clean")].mean(0)
    return [float((embedded[labels == place] - middle).norm(dim=1).mean()) for place in range(len(names))]


def _order(names: Sequence[str], distance: Sequence[float]) -> float:
    """Spearman's correlation of level and distance, averaged over kinds with several levels; NaN for none."""
    rows = [[distance[place] for place in group] for _, group in groupby(range(len(names)), key=lambda p: names[p])]
    values = [_spearman(row) for row in rows if len(row) > 1]
    return sum(values) / len(values) if values else math.nan


def _spearman(values: Sequence[float]) -> float:
    ranks = torch.tensor(values).argsort().argsort().double()
    levels = torch.arange(len(values)).double()
    return float(torch.corrcoef(torch.stack([levels, ranks]))[0, 1])
