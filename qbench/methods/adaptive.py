"""What quality-adaptive modules share: how the quality of the pictures reaches them inside a network.

The quality of a batch is set on the modules for the time of one forward pass, and taken away again: nothing is global,
and copies of a network are adapted networks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from qbench.errors import NotApplicable, QbenchError
from qbench.methods.places import PROBED
from qbench.models.base import USUAL, LoadedModel
from qbench.quality.features import Feature
from qbench.vocabulary import Context


class QualityAdaptive(nn.Module):
    """A module that works with the quality features [B, dimension] of the pictures that its input comes from.

    Each feature is standardised by the mean and deviation that it was trained with. `zeroed` is the control: the same
    module that is told of every picture that its quality is the mean."""

    traced_whole = True
    """A tracer cannot look inside: the quality is none of its inputs (see `qbench.models.cut`)."""

    def __init__(self, dimension: int, zeroed: bool = False) -> None:
        super().__init__()
        self.dimension, self.zeroed = dimension, zeroed
        self.quality_mean: Tensor
        self.quality_std: Tensor
        self.register_buffer("quality_mean", torch.zeros(dimension))
        self.register_buffer("quality_std", torch.ones(dimension))
        self._quality: Tensor | None = None

    @property
    def reads_quality(self) -> bool:
        """Whether it asks for the pictures' own quality; for a network of modules that do not, none is computed."""
        return not self.zeroed

    def quality_for(self, x: Tensor) -> Tensor:
        """[B, dimension], standardised, for an input [B, ...]. Raises QbenchError where none or another was given."""
        if self.zeroed:
            return torch.zeros(len(x), self.dimension, device=x.device)
        if self._quality is None:
            raise QbenchError(
                "a quality-adaptive module was run without the quality of the pictures; predict through its "
                "LoadedModel, or inside `given(net, features(...))`"
            )
        if tuple(self._quality.shape) != (len(x), self.dimension):
            wanted = f"{self.dimension} quality features of {len(x)} pictures"
            raise QbenchError(f"the module takes {wanted}, not {list(self._quality.shape)}")
        return (self._quality.to(x.device) - self.quality_mean) / self.quality_std


def adaptive_modules(net: nn.Module) -> list[QualityAdaptive]:
    return [module for module in net.modules() if isinstance(module, QualityAdaptive)]


def reads_quality(net: nn.Module) -> bool:
    """Whether a module of `net` reads the quality of the pictures."""
    return any(module.reads_quality for module in adaptive_modules(net))


@contextmanager
def given(net: nn.Module, quality: Tensor) -> Iterator[None]:
    """Inside, every quality-adaptive module of `net` works with `quality` [B, dimension], however often the network
    runs: a diffusion model takes all its steps inside, and the quality is computed once."""
    modules = adaptive_modules(net)
    before = [module._quality for module in modules]
    for module in modules:
        module._quality = quality
    try:
        yield
    finally:
        for module, old in zip(modules, before, strict=True):
            module._quality = old


@torch.no_grad()
def standardise(net: nn.Module, quality: Tensor) -> None:
    """Set the mean and deviation of each feature from those of training pictures, [N, dimension].

    A feature that hardly varies is only centred."""
    mean, std = quality.double().mean(0), quality.double().std(0)
    std = torch.where(std > 1e-6, std, torch.ones_like(std))
    for module in adaptive_modules(net):
        module.quality_mean.copy_(mean)
        module.quality_std.copy_(std)


@dataclass(frozen=True)
class ByQuality:
    """Gives the modules of a network one quality feature: the context's, where a batch has one, else computed."""

    feature: Feature

    @property
    def networks(self) -> Sequence[nn.Module]:
        return self.feature.networks

    def __call__(self, net: nn.Module, images: Tensor, context: Context | None) -> AbstractContextManager[None]:
        return given(net, self.feature.of(images, context))


def probes(model: LoadedModel) -> Tensor:
    """Blank pictures as the model's network takes them, to watch it by."""
    side, first = model.input.size or USUAL, next(model.net.parameters(), None)
    return model.normalise(torch.zeros(PROBED, 3, side, side, device=None if first is None else first.device))


def by_quality(model: LoadedModel, feature: Feature) -> LoadedModel:
    """`model`, whose network has new modules now: they are given the quality if one of them reads it. Raises
    NotApplicable for a model whose modules were given it before."""
    if model.beside is not None:
        raise NotApplicable("the model's network already knows more of the pictures than its input")
    return replace(model, beside=ByQuality(feature)) if reads_quality(model.net) else model
