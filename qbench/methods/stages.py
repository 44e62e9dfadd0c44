"""Where the stages of a network end, and where its backbone does: found by running it once and watching."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from math import prod

from torch import Tensor, nn

from qbench.errors import NotApplicable
from qbench.methods.places import Place, observe

BACKBONES = ("backbone", "body", "encoder", "trunk", "image_encoder", "features")
"""What libraries call the part of a network that heads and decoders build on; earlier names go first."""
STAGES = ("stages", "blocks", "layers", "layer", "layer[0-9]", "stage[0-9]", "stages_[0-9]", "s[0-9]")
"""What they call its stages or blocks; the last one that runs ends the backbone."""
DEEPEST = 3
"""Levels of modules at which these names are looked for."""


def activations_at_stage_ends(net: nn.Module, run: Callable[[], object]) -> list[Place]:
    """The `stage_ends` among the activations of `net`; `run` as of `observe`. A last activation of the class scores, as
    SqueezeNet has one before it pools them, belongs to the head and ends no stage."""
    with _output_shapes(net) as shapes:
        places = [place for place in observe(net, run) if place.activation]
    scores = shapes[-1][1:] if shapes and len(shapes[-1]) == 2 else ()
    of_the_head = len(places) > 1 and (places[-1].channels,) == scores
    return stage_ends(places[:-1] if of_the_head else places)


@contextmanager
def _output_shapes(net: nn.Module) -> Iterator[list[tuple[int, ...]]]:
    """The shapes of what the network gives in runs made inside; () where that is no tensor."""
    shapes: list[tuple[int, ...]] = []
    handle = net.register_forward_hook(
        lambda _net, _inputs, output: shapes.append(tuple(output.shape) if isinstance(output, Tensor) else ())
    )
    try:
        yield shapes
    finally:
        handle.remove()


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


def _without_pooled(spread: Sequence[Place]) -> list[Place]:
    """Without places of one pixel that larger ones follow, or that no stride of two leads to."""
    kept: list[Place] = []
    largest_after = 0
    areas = [prod(place.size) for place in spread]
    larger_before = [next((area for area in reversed(areas[:i]) if area > 1), 1) for i in range(len(areas))]
    for place, area, before in reversed(list(zip(spread, areas, larger_before, strict=True))):
        if area > 1 or (largest_after <= 1 and before <= 4):
            kept.append(place)
        largest_after = max(largest_after, area)
    return kept[::-1]


def _end(run: Sequence[Place], places: Sequence[Place]) -> Place:
    """The last of `run`, places of one size, that is not in a block which goes on to another size."""
    staying = [place for place in run if not _leaves(place, places)]
    return (staying or run)[-1]


def _leaves(place: Place, places: Sequence[Place]) -> bool:
    """Whether the innermost module with several places around this one begins at its size and ends at one other."""
    path = place.path
    while "." in path:
        path = path.rpartition(".")[0]
        inside = [each.size for each in places if each.path.startswith(f"{path}.")]
        if len(inside) > 1:
            return len(set(inside)) == 2 and inside[0] == place.size != inside[-1]
    return False


def backbone_end(net: nn.Module, run: Callable[[], object]) -> Place:
    """The module behind which the backbone of `net` ends.

    That is the last stage or block to run, where the network or a part of it that is called a backbone has some by the
    usual names (transformers: the last block); else the last module that gives maps before a classifier pools them.
    `run` as of `observe`. Raises NotApplicable where neither is there."""
    with _output_shapes(net) as shapes:
        everything = observe(net, run, every=True)
    places = [place for place in everything if place.size]
    named = _backbone(net)
    inside = [place for place in places if any(f"{place.path}.".startswith(f"{path}.") for path in named)]
    if inside and len(inside[-1].widths) == 1 and inside[-1].path.count(".") - named[0].count(".") < DEEPEST:
        return inside[-1]
    last = _before_the_pool(net, everything) if shapes and len(shapes[-1]) == 2 else None
    if last is None:
        raise NotApplicable(
            "it cannot be told where the network's backbone ends; name its last stage in `sites` with `how: add`"
        )
    return last


def _before_the_pool(net: nn.Module, places: Sequence[Place]) -> Place | None:
    """The last place with maps before a classifier pools them.

    On small pictures the last maps may be of one pixel before they are pooled: the pool is then the module that says so
    by its class, if no weights follow it that work on maps; else it cannot be told (None)."""
    end = max((i for i, place in enumerate(places) if prod(place.size) > 1), default=-1)
    tail = list(enumerate(places))[end + 1 :]
    weighty = [i for i, place in tail if place.size and list(net.get_submodule(place.path).parameters())]
    pools = [i for i, place in tail if "Adaptive" in type(net.get_submodule(place.path)).__name__]
    before = [i - 1 for i in pools if i == end + 1 or not any(other > i for other in weighty)]
    if not before and weighty:
        return None
    return places[before[0] if before else end] if end >= 0 else None


def _backbone(net: nn.Module, prefix: str = "") -> list[str]:
    """The paths of the stages in what is called a backbone, or of that itself; none where nothing is called so."""
    for level in range(DEEPEST):
        there = [path for path, _ in net.named_modules() if path.startswith(prefix) and path != prefix]
        there = [path for path in there if path.removeprefix(prefix).count(".") == level]
        called = {path.rpartition(".")[2]: path for path in reversed(there)}
        for name in BACKBONES:
            if name in called:
                return _backbone(net, f"{called[name]}.") or [called[name]]
        stages = [path for path in there if any(fnmatchcase(path.rpartition(".")[2], name) for name in STAGES)]
        if stages:
            return stages
    return []
