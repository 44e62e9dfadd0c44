"""Training a segmenter or a detector: the built-in ones of scenes, or any declared model from its first weights."""

from __future__ import annotations

from safetensors.torch import load_file
from torch import nn

from qbench.data.scenes.scene import CLASSES
from qbench.models.base import LoadedModel
from qbench.models.builtin.declared import INPUT, SITES, Builtin
from qbench.models.builtin.dense_net import ScenesDetector, ScenesSegmenter
from qbench.models.initial import initialise
from qbench.storage.shipped import shipped
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts, channels_last, measure, stages
from qbench.train.recipes.dense import DenseTraining
from qbench.train.recipes.supervised import Supervised, freeze, training_mode


def build(parts: Parts) -> Recipe:
    """All weights but those that `network: {freeze: [..]}` names; norms move with what they see. Ships the state of the
    network before any folding, as the model's `weights` are read."""
    builtin = isinstance(parts.model, Builtin)
    model = _builtin(parts) if builtin else parts.model.build(fold=False)
    net: nn.Module = model.net
    channels_last(net, parts.device)
    if not builtin:
        freeze(net, DenseTraining(**parts.spec.network).freeze)
    losses = Supervised(parts, model)

    def prepare() -> None:
        if builtin:
            net.train()
        else:
            training_mode(net)

    return Recipe(
        {"net": net},
        stages(parts, net, losses, prepare),
        lambda: dict(net.state_dict()),
        lambda: measure(parts, net, losses),
    )


def _builtin(parts: Parts) -> LoadedModel:
    """From the built-in classifier's trunk, its stem frozen; background is a class of its own for the segmenter."""
    segments = parts.spec.kind == "segmenter"
    net = ScenesSegmenter(len(CLASSES) + 1) if segments else ScenesDetector(len(CLASSES))
    _initialise(net, parts.seed)
    net.start_from(load_file(shipped("baselines/weights/builtin-scenes.safetensors")))
    return LoadedModel(net, INPUT, SITES)


def _initialise(net: nn.Module, seed: int) -> None:
    """First weights drawn by the seed, but for the biases of the heads, which are set where scores begin low."""
    kept = {name: value.clone() for name, value in net.state_dict().items() if name in {"heat.bias", "sides.bias"}}
    initialise(net, seed)
    net.load_state_dict({**net.state_dict(), **kept})
