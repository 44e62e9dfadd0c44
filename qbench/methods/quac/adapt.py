"""Putting Q-ACON into a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from qbench.errors import NotApplicable
from qbench.methods.adaptive import by_quality
from qbench.methods.places import PROBED, Place, fitting, observe, put, stage_ends
from qbench.methods.quac import Choice, How
from qbench.methods.quac.acon import AconC, MetaAcon, QAcon, start_as
from qbench.models.base import USUAL, LoadedModel
from qbench.quality.features import Feature, dimension


def adapt(model: LoadedModel, choice: Choice, feature: Feature) -> tuple[LoadedModel, list[str]]:
    """The model with adaptive activations, and the paths of the new modules; its network is changed in place.

    Raises NotApplicable where the network has no such places."""
    side = model.input.size or USUAL
    device = next(model.net.parameters()).device
    pictures = model.normalise(torch.zeros(PROBED, 3, side, side, device=device))
    paths = replace_activations(model.net, lambda: model.net(pictures), replace(choice, quality=feature.name))
    return by_quality(model, feature), paths


def replace_activations(net: nn.Module, run: Callable[[], object], choice: Choice | None = None) -> list[str]:
    """Put the activations of `choice` into `net`, in place of its own or behind its modules; the paths of the new ones.

    `run` calls the network once on two inputs, with whatever else it takes: `lambda: net(images)`, or
    `lambda: unet(noisy, times)`. Any network of modules will do: convolutions, tokens, a diffusion model's U-Net.
    Afterwards it runs inside `given(net, features(...))` (see `qbench.methods.adaptive`).
    Raises NotApplicable where the places of the choice are not there."""
    choice = choice or Choice()
    places, how = _places(net, run, choice)
    if not places:
        raise NotApplicable(f"the network has no activation module to {how}; name modules in `sites` with `how: add`")
    return [_put(net, place, how, choice) for place in places]


def _places(net: nn.Module, run: Callable[[], object], choice: Choice) -> tuple[Sequence[Place], How]:
    places = observe(net, run, choice.sites)
    if choice.sites:
        chosen = fitting(places, choice.sites)
        how = choice.how or ("replace" if all(place.activation for place in chosen) else "add")
        other = [place.path for place in chosen if not place.activation]
        if how == "replace" and other:
            raise NotApplicable(f"{other[0]!r} is no activation module, so that it cannot be replaced; use `how: add`")
        return chosen, how
    activations = [place for place in places if place.activation]
    if choice.placement == "all":
        return activations, choice.how or "replace"
    if choice.placement == "stage-end":
        return stage_ends(activations), choice.how or "replace"
    return stage_ends(activations)[-1:], choice.how or "add"


def _put(net: nn.Module, place: Place, how: How, choice: Choice) -> str:
    module = _module(place, choice)
    old = net.get_submodule(place.path)
    if choice.start == "drop-in":
        start_as(module, old if how == "replace" else None)
    else:
        for gain in (module.p1, module.p2):
            nn.init.normal_(gain)
    put(net, place.path, module, how)
    return place.path if how == "replace" else f"{place.path}.added"


def _module(place: Place, choice: Choice) -> AconC | MetaAcon | QAcon:
    if choice.activation == "acon-c":
        return AconC(place.channels, place.layout)
    if choice.activation == "meta-acon":
        return MetaAcon(place.channels, place.layout, choice.norm, choice.reduction)
    size = dimension(choice.quality)
    return QAcon(place.channels, size, place.layout, choice.norm, choice.reduction, choice.zeroed)
