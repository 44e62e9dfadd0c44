"""A network that a Python caller holds, as a model of a run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from qbench.keys.live import contents
from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention


class LiveModel:
    """A live `nn.Module` from [B, 3, size, size] to logits; its key covers all that it holds and
    runs: weights, hooks, attributes and code."""

    def __init__(self, name: str, net: nn.Module, input: InputConvention) -> None:
        self.name, self.net, self.input = name, net, input

    @property
    def label(self) -> str:
        return self.name

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {"net": contents(self.net), "input": str(self.input)}

    def build(self) -> LoadedModel:
        """A copy in eval mode, so that the caller's network stays as it is."""
        return LoadedModel(copy.deepcopy(self.net).eval(), self.input, {})
