"""Where the stages of a network end, and where its backbone does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod

from torch import nn

from qbench.errors import NotApplicable
from qbench.methods.places import Place, observe

BACKBONES = ("backbone", "body", "encoder", "trunk", "image_encoder", "features")
"""What libraries call the part of a network that heads and decoders build on; the part of an earlier name counts."""
STAGES = ("stages", "blocks", "layers", "layer", r"layer\d", r"stage\d", r"stages_\d", r"s\d")
"""What they call its stages or blocks, as regular expressions; the last one that runs ends the backbone."""


def activations_at_stage_ends(net: nn.Module, run: Callable[[], object]) -> list[Place]:
    """The `stage_ends` among the activations of `net`; `run` as of `observe`. A last activation of the class scores, as
    SqueezeNet has one before it pools them, belongs to the head and ends no stage."""
    places = observe(net, run, every=True)
    activations = [place for place in places if place.activation]
    of_the_head = len(activations) > 1 and activations[-1].channels == _classes(places)
    return stage_ends(activations[:-1] if of_the_head else activations)


def _classes(places: Sequence[Place]) -> int | None:
    """How many a classifier tells apart; None of a network that gives no vectors."""
    return next((place.channels for place in places if not place.path and not place.size), None)


def stage_ends(places: Sequence[Place]) -> list[Place]:
    """The last place at each resolution: of those on the way down to the smallest maps, and of those on the way up.

    Vectors have no resolution, and neither have maps of 1x1 that only steer larger ones (squeeze and excitation,
    pooled context, pooled heads). Where a block halves its maps inside, as timm's bottlenecks do, what it activates
    before that counts as inside of the next stage."""
    spread = _without_pooled([place for place in places if place.size])
    areas = [prod(place.size) for place in spread]
    turn = len(areas) - areas[::-1].index(min(areas)) if areas else 0
    ends: list[Place] = []
    for way in (spread[:turn], spread[turn:]):
        sizes = {place.size: None for place in reversed(way)}
        ends += [_end([place for place in way if place.size == size], spread) for size in reversed(sizes)]
    return ends


def _without_pooled(places: Sequence[Place]) -> list[Place]:
    """Without places of one pixel that larger ones follow, or that no stride of two leads to."""
    kept: list[Place] = []
    for index, place in enumerate(places):
        larger_follows = any(prod(later.size) > 1 for later in places[index + 1 :])
        strided = not kept or prod(kept[-1].size) <= 4
        if prod(place.size) > 1 or (strided and not larger_follows):
            kept.append(place)
    return kept


def _end(run: Sequence[Place], places: Sequence[Place]) -> Place:
    """The last of `run`, places of one size, that is not in a block which goes on to another size."""
    staying = [place for place in run if not _leaves(place, places)]
    return (staying or run)[-1]


def _leaves(place: Place, places: Sequence[Place]) -> bool:
    """Whether the innermost module with several places around this one begins at its size and ends at one other."""
    path = place.path
    while "." in path:
        path = path.rpartition(".")[0]
        sizes = [other.size for other in places if other.path.startswith(f"{path}.")]
        if len(sizes) > 1:
            return len(set(sizes)) == 2 and sizes[0] == place.size != sizes[-1]
    return False


def backbone_end(net: nn.Module, run: Callable[[], object]) -> Place:
    """The module behind which the backbone of `net` ends.

    That is the last stage that timm's `feature_info` declares, of the network or of a part of it; else the last stage
    by the usual names, inside a part that is called a backbone where there is one (transformers' own interface of
    backbones names no modules); else what a classifier pools. `run` as of `observe`. Raises NotApplicable where none
    of them is there."""
    places = observe(net, run, every=True)
    declared = _declared_stages(net)
    ends = [place for place in places if place.path in declared] or _named_stages(places)
    if not ends and _classes(places) is not None:
        pools = [i for i, place in enumerate(places) if "Adaptive" in type(net.get_submodule(place.path)).__name__]
        ends = places[: pools[-1]] if pools else []
    if not ends or not ends[-1].size:
        raise NotApplicable(
            "it cannot be told where the network's backbone ends; name its last stage in `sites` with `how: add`"
        )
    return ends[-1]


def _declared_stages(net: nn.Module) -> set[str]:
    """The paths of the stages that timm's `feature_info` declares; its networks that give features alone have those of
    a sequence side by side, under names without the dot."""
    for path, module in net.named_modules():
        info = getattr(module, "feature_info", None)
        if info:
            prefix = f"{path}." if path else ""
            names = [stage["module"] for stage in getattr(info, "info", info)]
            return {prefix + name for full in names for name in (full, full.replace(".", "_", 1))}
    return set()


def _named_stages(places: Sequence[Place]) -> list[Place]:
    """Those that are called a backbone or stages, or lie directly in what is, and run with one width: in the part
    called by the earliest of BACKBONES that is there."""
    names = re.compile(rf"(.*\.)?({'|'.join((*BACKBONES, *STAGES))})(\.\w+)?")
    stages = [place for place in places if place.size and len(place.widths) == 1 and names.fullmatch(place.path)]
    for name in BACKBONES:
        inside = [place for place in stages if name in place.path.split(".")]
        if inside:
            return inside
    return stages
