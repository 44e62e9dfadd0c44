"""Putting Q-ACON into a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from qbench.draws import keyed
from qbench.errors import NotApplicable
from qbench.methods.adaptive import by_quality, probes
from qbench.methods.places import ByWidth, Place, fitting, observe, put, set_apart
from qbench.methods.quac import How, QuacOptions
from qbench.methods.quac.acon import AconC, MetaAcon, QAcon, start_as
from qbench.methods.stages import activations_at_stage_ends, backbone_end
from qbench.models.base import LoadedModel
from qbench.quality.features import Feature, dimension


def adapt(model: LoadedModel, choice: QuacOptions, feature: Feature, seed: int = 0) -> tuple[LoadedModel, list[str]]:
    """The model with adaptive activations, and the paths of the new modules; its network is changed in place.

    Raises NotApplicable where the network has no such places."""
    pictures = probes(model)
    choice = choice.model_copy(update={"quality": feature.name})
    paths = replace_activations(model.net, lambda: model.net(pictures), choice, seed)
    return by_quality(model, feature), paths


def replace_activations(
    net: nn.Module, run: Callable[[], object], choice: QuacOptions | None = None, seed: int = 0
) -> list[str]:
    """Put the activations of `choice` into `net`, in place of its own or behind its modules; the paths of the new ones.

    `run` calls the network once on two inputs, with whatever else it takes: `lambda: net(images)`, or
    `lambda: unet(noisy, times)`. Any network of modules will do: convolutions, tokens, a diffusion model's U-Net.
    An activation that runs with several widths gets a module for each. `seed`: of p1 and p2 with `start: release`.
    Afterwards it runs inside `given(net, features(...))` (see `qbench.methods.adaptive`).
    Raises NotApplicable where the places of the choice are not there."""
    choice = choice or QuacOptions()
    set_apart(net)
    places, how = _places(net, run, choice)
    if not places:
        raise NotApplicable(f"the network has no activation module to {how}; name modules in `sites` with `how: add`")
    return [path for place in places for path in _put(net, place, how, choice, seed)]


def _places(net: nn.Module, run: Callable[[], object], choice: QuacOptions) -> tuple[Sequence[Place], How]:
    if choice.sites:
        chosen = fitting(observe(net, run, choice.sites), choice.sites)
        usual: How = "replace" if all(place.activation for place in chosen) else "add"
    elif choice.placement == "post-backbone":
        chosen, usual = [backbone_end(net, run)], "add"
    elif choice.placement == "stage-end":
        chosen, usual = activations_at_stage_ends(net, run), "replace"
    else:
        chosen, usual = [place for place in observe(net, run) if place.activation], "replace"
    how = choice.how or usual
    other = [place.path for place in chosen if not place.activation]
    if how == "replace" and other:
        raise NotApplicable(f"{other[0]!r} is no activation module, so that it cannot be replaced; use `how: add`")
    return chosen, how


def _put(net: nn.Module, place: Place, how: How, choice: QuacOptions, seed: int) -> list[str]:
    if {"first", "last"} <= {layout for dims, layout in place.layouts.items() if dims > 2}:
        raise NotApplicable(f"{place.path!r} runs on maps and on tokens; name other modules in `sites`")
    old = net.get_submodule(place.path) if how == "replace" else None
    modules = {width: _module(width, place, choice, old, seed) for width in place.widths}
    several = len(modules) > 1
    put(net, place.path, ByWidth(modules, place.layouts) if several else modules[place.channels], how)
    path = place.path if how == "replace" else f"{place.path}.added"
    return [f"{path}.of.{width}" for width in modules] if several else [path]


def _module(
    width: int, place: Place, choice: QuacOptions, old: nn.Module | None, seed: int
) -> AconC | MetaAcon | QAcon:
    module: AconC | MetaAcon | QAcon
    if choice.activation == "acon-c":
        module = AconC(width, place.layout)
    elif choice.activation == "meta-acon":
        module = MetaAcon(width, place.layout, choice.norm, choice.reduction)
    else:
        size, narrow = dimension(choice.quality), choice.quality_width
        module = QAcon(width, size, place.layout, choice.norm, choice.reduction, choice.zeroed, narrow)
    if choice.start == "drop-in":
        start_as(module, old)
    else:
        drawn = keyed(seed, "quac/start", width, place.path).standard_normal((2, width), dtype="float32")
        for gain, values in zip((module.p1, module.p2), drawn, strict=True):
            gain.data.copy_(torch.from_numpy(values))
    return module
