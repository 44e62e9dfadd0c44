"""QDMR in its three stages (arXiv 2403.10012): an autoencoder of both domains, the restoration network on source
pictures, and its adaptation to target ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from qbench.draws import keyed
from qbench.errors import QbenchError
from qbench.methods.qdmr.judge import DOWN, Judge
from qbench.methods.qdmr.shape import PLANS, Shape
from qbench.methods.qdmr.start import begin
from qbench.methods.qdmr.vqgan import Vqgan
from qbench.train.core.batches import Batch
from qbench.train.core.optimisers import optimiser
from qbench.train.core.recipe import Recipe, Stage
from qbench.train.recipes.common import Parts, channels_last
from qbench.train.recipes.qdmr import QdmrTraining
from qbench.train.recipes.qdmr.fields import Photographs
from qbench.train.recipes.qdmr.losses import Players, StageLosses
from qbench.train.recipes.qdmr.measure import measured
from qbench.train.recipes.qdmr.perception import Perception, perception
from qbench.train.recipes.qdmr.training import Training

STARTS = 8
"""Batches whose features the codebook may start from."""


def build(parts: Parts) -> Recipe:
    """Trains the card's stages; ships the restoration network. A stage has two optimisers: `maker`, of what makes
    pictures, and `judge`, of the discriminators; `lr_factors` with the patterns `style.*`, `quality.*` and `domain.*`
    gives the latter a rate of their own."""
    return staged(prepared(parts))


def prepared(parts: Parts) -> Training:
    """The networks with first weights, their losses and their data."""
    options = QdmrTraining(**parts.spec.network)
    shape = PLANS[options.plan]
    _fitting(parts, shape)
    frozen = _perception(parts, options, shape)
    players = _players(parts, options, shape, frozen)
    losses = StageLosses(parts, players, frozen, options.generated)
    return Training(parts, options, players, losses, _photographs(parts))


def staged(training: Training) -> Recipe:
    net = training.players.net
    return Recipe(
        training.players.modules(),
        [_stage(training, number) for number in range(len(training.parts.spec.stages))],
        lambda: dict(net.state_dict()),
        lambda: measured(training),
        training.options.metadata(),
    )


def _fitting(parts: Parts, shape: Shape) -> None:
    """Raises QbenchError for crops that the networks cannot take."""
    whole = math.lcm(shape.multiple, DOWN * shape.factor)
    if parts.spec.crop.size % whole:
        raise QbenchError(f"`crop: size` must be a multiple of {whole} for this plan, not {parts.spec.crop.size}")


def _perception(parts: Parts, options: QdmrTraining, shape: Shape) -> Perception | None:
    if {"perceptual", "semantic"} & parts.spec.loss.keys():
        return perception(options.perception, shape.factor, parts.device)
    return None


def _photographs(parts: Parts) -> dict[str, Photographs]:
    """Source pictures go through the card's `degradation`, target ones through the role's own."""
    mixes = {**dict.fromkeys(parts.samples, parts.mix), "target": parts.mixes.get("target")}
    return {
        role: Photographs(samples, mixes[role], parts.seed, role, parts.spec.data[role].skip)
        for role, samples in parts.samples.items()
    }


def _players(parts: Parts, options: QdmrTraining, shape: Shape, frozen: Perception | None) -> Players:
    """The networks that the stages and losses ask for, with first weights by the seed."""
    terms, stages = parts.spec.loss, {stage.part for stage in parts.spec.stages}

    def started(name: str, net: nn.Module, *, zero: tuple[str, ...] = ()) -> nn.Module:
        return channels_last(begin(net, parts.seed, name, zero=zero), parts.device)

    net = options.network()
    if options.codebook:
        net.quantiser.codebook.requires_grad_(False)
    started("net", net, zero=("decoder.last",) if options.residual else ())
    vqgan = Vqgan(shape, standardised=options.standardised) if "vqgan" in stages else None
    if vqgan is not None:
        started("vqgan", vqgan)
    semantic = vqgan is not None and "semantic" in terms
    adapted = "uda" in stages and {"align-source", "align-target"} & terms.keys()
    return Players(
        vqgan,
        net,
        started("meaning", nn.Conv2d(shape.code_width, frozen.width, 1)) if semantic and frozen else None,
        started("style", Judge(3, shape.judge)) if vqgan is not None and "transfer" in terms else None,
        started("quality", Judge(3, shape.judge)) if "hinge" in terms else None,
        started("domain", Judge(shape.width, shape.judge)) if adapted else None,
    )


@dataclass(frozen=True)
class PartPlan:
    """Who plays in a stage, and which losses they follow."""

    makers: tuple[str, ...]
    terms: tuple[str, ...]
    referees: Mapping[str, str]
    """Discriminators by name, and the loss of each."""
    roles: tuple[str, ...] = ("source", "target")


RESTORING = ("l1", "perceptual", "commitment", "hinge")
PARTS = {
    "vqgan": PartPlan(
        ("vqgan", "meaning"), ("l1", "perceptual", "codebook", "semantic", "transfer"), {"style": "judge"}
    ),
    "base": PartPlan(("net",), RESTORING, {"quality": "judge"}, ("source",)),
    "uda": PartPlan(
        ("net",),
        (*RESTORING, "commitment-target", "align-source", "align-target"),
        {"quality": "judge", "domain": "judge-features"},
    ),
}


def _stage(training: Training, number: int) -> Stage:
    spec, modules = training.parts.spec.stages[number], training.players.modules()
    part, name, plan = str(spec.part), f"stage{number + 1}", PARTS[str(spec.part)]
    losses: Callable[[Mapping[str, Batch]], Mapping[str, Tensor]] = getattr(training.losses, part)
    followed = training.followed(plan.terms)
    optimisers = {"maker": replace(optimiser(spec, _parameters(modules, plan.makers)), losses=followed)}
    referees = {referee: loss for referee, loss in plan.referees.items() if referee in modules}
    if referees:
        judging = optimiser(spec, _parameters(modules, tuple(referees)))
        optimisers["judge"] = replace(judging, losses=tuple(referees.values()))

    def prepare() -> None:
        for module in modules.values():
            module.train()

    return Stage(
        name, spec.steps, {role: training.batches(role, name, spec.batch) for role in plan.roles}, optimisers,
        lambda batches, _step: losses(batches), prepare, spec.ema, lambda: _start(training, number),
    )  # fmt: skip


def _parameters(modules: Mapping[str, nn.Module], names: tuple[str, ...]) -> list[tuple[str, nn.Parameter]]:
    """What is trained of the modules of these names that are there, named `MODULE.PARAMETER`."""
    return [
        (f"{name}.{key}", parameter)
        for name in names
        if name in modules
        for key, parameter in modules[name].named_parameters()
        if parameter.requires_grad
    ]


@torch.no_grad()
def _start(training: Training, number: int) -> None:
    """What a stage takes from the one before: the codebook of stage 1; or stage 1's own first codes from the data."""
    stages, options, players = training.parts.spec.stages, training.options, training.players
    if stages[number].part == "vqgan":
        if options.start == "data":
            _codes_from_data(training, stages[number].batch)
    elif players.vqgan is not None and stages[number - 1].part == "vqgan":
        if options.codebook:
            players.net.quantiser.load_state_dict(players.vqgan.quantiser.state_dict())
        if options.encoder == "vqgan":
            players.net.encoder.load_state_dict(players.vqgan.encoder.state_dict())


def _codes_from_data(training: Training, size: int) -> None:
    """Every code becomes a feature of the first batches, so that none lies where no feature comes."""
    quantiser = training.players.autoencoder.quantiser
    rows = []
    for role, step in itertools.product(("source", "target"), range(STARTS)):
        images = training.batches(role, "start", size)(step).degraded
        features = quantiser.searched(training.players.autoencoder.encoder(images))
        rows.append(features.permute(0, 2, 3, 1).flatten(0, 2))
    vectors, codes = torch.cat(rows), quantiser.codebook.weight
    places = keyed(training.parts.seed, "qdmr/codes", 0, "").choice(len(vectors), len(codes), replace=False)
    codes.copy_(vectors[torch.from_numpy(places).to(vectors.device)])
