"""Putting QuARF into a network."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from qbench.errors import NotApplicable
from qbench.methods.adaptive import by_quality, probes
from qbench.methods.places import Place, fitting, observe, put
from qbench.methods.quarf import QuarfOptions
from qbench.methods.quarf.block import Plain, Quarf
from qbench.methods.quarf.experts import Expert
from qbench.models.base import LoadedModel
from qbench.models.initial import initialise
from qbench.quality.features import Feature, dimension

NOISE = 0.01
"""How far experts start from the identity, as a share of usual first weights: enough to tell them apart."""
OF_BLOCK = {
    "experts", "groups", "count", "top", "own_experts", "gates", "routing", "straight_through", "noisy", "zeroed",
}  # fmt: skip


def adapt(model: LoadedModel, choice: QuarfOptions, feature: Feature, seed: int = 0) -> tuple[LoadedModel, list[str]]:
    """The model with blocks behind its sites, and the paths of the blocks; its network is changed in place.

    Raises NotApplicable where the network has no such sites."""
    pictures = probes(model)
    paths = tuple(model.sites.get(site, site) for site in choice.sites)
    added = insert_fields(
        model.net,
        lambda: model.net(pictures),
        choice.model_copy(update={"sites": paths, "quality": feature.name}),
        seed,
    )
    return by_quality(model, feature), added


def insert_fields(net: nn.Module, run: Callable[[], object], choice: QuarfOptions, seed: int = 0) -> list[str]:
    """Put blocks behind the modules whose paths fit the choice's `sites`; the paths of the blocks.

    They start near the identity, with weights drawn from `seed`. `run` calls the network once on two inputs. Afterwards
    it runs inside `given(net, features(...))`. Raises NotApplicable where the maps there are none [B, C, H, W]."""
    places = fitting(observe(net, run, choice.sites), choice.sites)
    for place in places:
        if place.layout != "first" or len(place.size) != 2:
            raise NotApplicable(f"{place.path!r} gives no maps [B, C, H, W], which QuARF's convolutions need")
        if len(place.widths) > 1:
            widths = " and with ".join(map(str, place.widths))
            raise NotApplicable(f"{place.path!r} runs with {widths} channels; name the block around it in `sites`")
    for index, place in enumerate(places):
        put(net, place.path, _block(place, choice, seed, index), "add")
    return [f"{place.path}.added" for place in places]


def _block(place: Place, choice: QuarfOptions, seed: int, index: int) -> nn.Module:
    options = choice.model_dump(include=OF_BLOCK)
    if choice.experts == "plain":
        block: nn.Module = Plain(place.channels)
    else:
        block = Quarf(place.channels, dimension(choice.quality), **options, seed=seed, index=index)
    initialise(nn.ModuleDict({place.path.replace(".", "/"): block}), seed)
    for module in block.modules():
        if isinstance(module, Expert):
            module.start(NOISE)
    if isinstance(block, Quarf):
        for router in (block.logits, block.spread):
            if router is not None:
                nn.init.zeros_(router.weight)
    return block
