"""A network that a Python caller holds, as a model of a run."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention


class LiveModel:
    """A live `nn.Module` from [B, 3, size, size] to logits; its key covers its state, the sources
    of its modules' classes, and their attributes."""

    def __init__(self, name: str, net: nn.Module, input: InputConvention) -> None:
        self.name, self.net, self.input = name, net, input

    @property
    def label(self) -> str:
        return self.name

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {"state": _state_digest(self.net), "text": _Text().of(self.net), "input": str(self.input)}

    def build(self) -> LoadedModel:
        """A copy in eval mode, so that the caller's network stays as it is."""
        return LoadedModel(copy.deepcopy(self.net).eval(), self.input, {})


def _state_digest(net: nn.Module) -> str:
    hashed = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        hashed.update(f"{name} {_of_tensor(value)}".encode())
    return hashed.hexdigest()


def _of_tensor(value: Tensor) -> str:
    content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{tuple(value.shape)} {value.dtype} {hashlib.sha256(content).hexdigest()}"


_OF_TORCH = set(vars(nn.Module()))
"""Attributes that every module has: hooks, tables of parameters, and the like."""


class _Text:
    """All that an object holds, as a text that two objects share only if they compute the same: sources of classes and
    functions, attributes, arrays by digest. An object that is met again is named by its number."""

    def __init__(self) -> None:
        self._met: dict[int, Any] = {}
        """By id, and so kept alive: else another object could get the id of one that is gone."""

    def of(self, value: Any) -> str:
        if value is None or isinstance(value, str | bytes | int | float | complex | torch.dtype | torch.device):
            return repr(value)
        if isinstance(value, Tensor):
            return _of_tensor(value)
        if id(value) in self._met:
            return f"#{list(self._met).index(id(value))}"
        self._met[id(value)] = value
        if isinstance(value, Mapping):
            return f"{{{', '.join(f'{self.of(key)}: {self.of(item)}' for key, item in value.items())}}}"
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.of(item) for item in value]
            return f"[{', '.join(items if isinstance(value, list | tuple) else sorted(items))}]"
        if isinstance(value, np.ndarray):
            return f"{value.shape} {value.dtype} {hashlib.sha256(value.tobytes()).hexdigest()}"
        return self._of_object(value)

    def _of_object(self, value: Any) -> str:
        if isinstance(value, type):
            return _sources(value)
        if isinstance(value, partial):
            return f"partial {self.of([value.func, value.args, value.keywords])}"
        if inspect.isroutine(value):
            held = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
            return f"{_source(value)} {self.of([held, getattr(value, '__defaults__', None)])}"
        if isinstance(value, nn.Module):
            own = {name: held for name, held in vars(value).items() if name not in _OF_TORCH}
            rest = {**own, "modules": dict(value.named_children()), "buffers": dict(value.named_buffers(recurse=False))}
            return f"{_sources(type(value))} {value.extra_repr()} {self.of(rest)}"
        return f"{_sources(type(value))} {self.of(vars(value)) if hasattr(value, '__dict__') else repr(value)}"


def _sources(kind: type) -> str:
    return "\n".join(_source(each) for each in kind.__mro__ if each not in (object, nn.Module))


def _source(kind: Any) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', repr(kind))}"
