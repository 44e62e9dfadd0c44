"""A network that a Python caller holds, as a model of a run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention


@dataclass(frozen=True)
class LiveModel:
    """A live `nn.Module` from [B, 3, size, size] to logits. `network` is plain data that tells all that it computes:
    `qbench.keys.live.network_identity` of it."""

    name: str
    net: nn.Module
    input: InputConvention
    network: Mapping[str, Any]

    @property
    def label(self) -> str:
        return self.name

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {"network": self.network, "input": str(self.input)}

    def build(self) -> LoadedModel:
        """A copy in eval mode, so that the caller's network stays as it is."""
        return LoadedModel(copy.deepcopy(self.net).eval(), self.input, {})
