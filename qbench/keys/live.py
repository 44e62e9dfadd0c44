"""What tells a live network: its tensors, its settings, and the sources of its classes and hooks."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from qbench.keys.sources import code_of_modules, installed_package
from qbench.registry.modules import file_of, versioned

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)
_OF_EVERY_MODULE = set(vars(nn.Module()))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_without_source: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Names of classes and functions that no file holds: each has one of its own as long as it lives."""


def network_identity(net: nn.Module) -> dict[str, Any]:
    """Plain data that two networks share only if they compute the same in eval mode, as far as sources tell.

    What was declared at a prompt or in a notebook is the same for this process alone, and objects of compiled code that
    cannot be looked into are never the same."""
    reader = _Reader(net)
    tensors = [*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)]
    return {
        "modules": {name: reader.module(module) for name, module in net.named_modules()},
        "tensors": {name: _tensor(value) for name, value in tensors},
    }


class _Reader:
    """Tells the values that a network's modules hold."""

    def __init__(self, net: nn.Module) -> None:
        self._names = {id(module): name for name, module in net.named_modules()}
        self._open: set[int] = set()
        """The objects that are being read: one that holds itself ends there."""

    def module(self, module: nn.Module) -> list[Any]:
        """Its class, the attributes that the class gave it (a stride, a rate, a function), and its hooks."""
        held = {name: value for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}
        hooks = [
            [[key in getattr(module, f"{name}_with_kwargs"), hook] for key, hook in getattr(module, name).items()]
            for name in _HOOKS
        ]
        return [_code(type(module)), self.value(held), self.value(hooks)]

    def value(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, torch.Tensor | np.ndarray):
            return _tensor(torch.as_tensor(value))
        if id(value) in self._open:
            return "an object around this one"
        self._open.add(id(value))
        try:
            return self._compound(value)
        finally:
            self._open.remove(id(value))

    def _compound(self, value: Any) -> Any:
        if isinstance(value, nn.Module):
            return f"module {self._names[id(value)]}" if id(value) in self._names else network_identity(value)
        if isinstance(value, list | tuple):
            return [type(value).__name__, *map(self.value, value)]
        if isinstance(value, set | frozenset):
            return [type(value).__name__, *sorted((self.value(item) for item in value), key=str)]
        if isinstance(value, Mapping):
            return [[self.value(key), self.value(item)] for key, item in value.items()]
        if isinstance(value, functools.partial):
            return [self.value(part) for part in (value.func, value.args, value.keywords)]
        if isinstance(value, types.MethodType):
            return [self.value(value.__func__), self.value(value.__self__)]
        if isinstance(value, types.FunctionType):
            held = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
            return [_code(value), *map(self.value, (held, value.__defaults__, value.__kwdefaults__))]
        if isinstance(value, type | types.BuiltinFunctionType):
            return _code(value)
        return [_code(type(value)), self.value(vars(value))] if hasattr(value, "__dict__") else uuid4().hex


def _code(declared: Any) -> Any:
    """What tells a class or function: its name in its module, and the module's sources or version."""
    module = getattr(declared, "__module__", None) or "builtins"
    if versioned(module):
        return f"{module}.{declared.__qualname__}"
    if package := installed_package(module):
        return [f"{module}.{declared.__qualname__}", package]
    if file_of(module):
        return [declared.__qualname__, code_of_modules(module)]
    return _without_source.setdefault(declared, uuid4().hex)


def _tensor(value: torch.Tensor) -> list[Any]:
    content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return [list(value.shape), str(value.dtype), hashlib.sha256(content.tobytes()).hexdigest()]
