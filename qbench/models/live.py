"""A network that a Python caller holds, as a model of a run."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention


class LiveModel:
    """A live `nn.Module` from [B, 3, size, size] to logits; its key covers its state and the source of its class."""

    def __init__(self, name: str, net: nn.Module, input: InputConvention) -> None:
        self.name, self.net, self.input = name, net, input

    @property
    def label(self) -> str:
        return self.name

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {
            "state": _state_digest(self.net),
            "source": _source(type(self.net)),
            "text": repr(self.net),
            "input": str(self.input),
        }

    def build(self) -> LoadedModel:
        """A copy in eval mode, so that the caller's network stays as it is."""
        return LoadedModel(copy.deepcopy(self.net).eval(), self.input, {})


def _state_digest(net: nn.Module) -> str:
    hashed = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        hashed.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        hashed.update(value.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{kind.__module__}.{kind.__qualname__}"
