"""Digests of live objects, which two of them share only if they compute the same."""

from __future__ import annotations

import copyreg
import hashlib
import sys
import types
import uuid
from typing import Any

import numpy as np

from qbench.keys.codes import parts_of_code, parts_of_module
from qbench.storage.files import digest

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_TABLES = ("_parameters", "_buffers", "_modules")


def contents(value: Any) -> str:
    """A digest of all that `value` holds and runs. What cannot be told gives one that never comes again, so that
    nothing is taken for the same wrongly."""
    return _Contents().of(value)


class _Contents:
    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        """How deep the objects lie that are being read: what holds itself is told by that."""
        self._done: dict[int, tuple[Any, str]] = {}
        """By id, and so kept alive: else another object could get the id of one that is gone."""

    def of(self, value: Any) -> str:
        if type(value) in _PLAIN:
            return f"{type(value).__name__} {value!r}"
        key = id(value)
        if key in self._done:
            return self._done[key][1]
        if key in self._open:
            return f"within {self._open[key]}"
        self._open[key] = len(self._open)
        try:
            text = digest([type(value).__name__, *self._parts(value)])
        except Exception:  # whatever the object's own code raises where it is asked
            text = f"unknown {uuid.uuid4().hex}"
        del self._open[key]
        self._done[key] = value, text
        return text

    def _parts(self, value: Any) -> list[Any]:
        torch: Any = sys.modules.get("torch")
        if (code := parts_of_code(value, self.of)) is not None:
            return code
        if type(value) in (list, tuple):
            return [self.of(item) for item in value]
        if type(value) in (dict, types.MappingProxyType):
            return [[self.of(key), self.of(item)] for key, item in value.items()]
        if type(value) in (set, frozenset):
            return sorted(self.of(item) for item in value)
        if type(value) is np.ndarray and not value.dtype.hasobject:
            return [value.shape, str(value.dtype), _sha256(value.tobytes())]
        if torch is not None and isinstance(value, torch.Tensor):
            content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return [list(value.shape), str(value.dtype), _sha256(content.tobytes())]
        if torch is not None and isinstance(value, torch.nn.Module):
            return [self.of(type(value)), self.of(_network(value, set(vars(torch.nn.Module()))))]
        return self._of_object(value)

    def _of_object(self, value: Any) -> list[Any]:
        """As `pickle` would take it apart. Raises TypeError for what does not let itself be."""
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(reduced, str):
            module = getattr(value, "__module__", None) or type(value).__module__
            return [self.of(type(value)), reduced, *parts_of_module(module)]
        made, given, state, items, pairs = (*reduced, None, None, None)[:5]
        held = [type(value), made, given, state, list(items or ()), list(pairs or ())]
        return [self.of(each) for each in held]


def _network(net: Any, of_every_module: set[str]) -> dict[str, Any]:
    """All that the forward pass of a module in eval mode sees; numbers of hooks differ from process to process."""
    own = {name: held for name, held in vars(net).items() if name not in of_every_module or name in _TABLES}
    with_names = getattr(net, "_forward_hooks_with_kwargs", {}), getattr(net, "_forward_pre_hooks_with_kwargs", {})
    for name, named in zip(_HOOKS, with_names, strict=True):
        own[name] = [[hook, key in named] for key, hook in getattr(net, name).items()]
    return own


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
