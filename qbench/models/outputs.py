"""What networks give, in whatever they wrap it: the part that is the prediction, and all of it in words."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from qbench.errors import QbenchError, nearest
from qbench.vocabulary import Boxes

if TYPE_CHECKING:
    from torch import Tensor

Key: TypeAlias = str | int
USUAL = ("logits", "out", "reconstruction")
"""What libraries call a prediction among other outputs: transformers, timm and torchvision's Inception; torchvision's
segmenters; transformers' restorers."""
OBJECTS = ("boxes", "labels", "scores")
SHOWN = 6


def usual(output: Any, images: Tensor | None = None, *, key: Key | None = None) -> Any:
    """The part of a network's output under `key`: of a mapping or a dataclass by name, of a list or tuple by number.

    Without a key what is no such thing is the prediction, and so is a list of `Boxes` or of objects for each picture;
    else the part that has a usual name, or the only one. Raises QbenchError that names the parts."""
    parts = parts_of(output)
    if key is not None:
        return _part(output, parts or {}, key)
    if parts is None or all(isinstance(part, Boxes) or are_objects(part) for part in parts.values()):
        return output
    named = next((name for name in USUAL if parts.get(name) is not None), None)
    if named is None and len(parts) == 1:
        named = next(iter(parts))
    if named is None:
        raise QbenchError(f"the network gives {described(output)}; name the one that is its prediction as `output`")
    return usual(parts[named])


def _part(output: Any, parts: Mapping[Key, Any], key: Key) -> Any:
    if key in parts:
        return parts[key]
    near = nearest(key, [name for name in parts if isinstance(name, str)]) if isinstance(key, str) else ""
    raise QbenchError(f"`output` is {key!r}, but the network gives {described(output)}{near}")


def parts_of(output: Any) -> dict[Any, Any] | None:
    """The parts of an output by name or number; None for what is none of several."""
    if isinstance(output, Mapping):
        return dict(output)
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return dict(zip(output._fields, output, strict=True))
    if isinstance(output, list | tuple):
        return dict(enumerate(output))
    if dataclasses.is_dataclass(output) and not isinstance(output, Boxes):
        return {field.name: getattr(output, field.name) for field in dataclasses.fields(output)}
    return None


def are_objects(part: Any) -> bool:
    """Whether this is what torchvision's detectors say of one picture."""
    return isinstance(part, Mapping) and all(_is_tensor(part.get(name)) for name in OBJECTS)


def described(output: Any) -> str:
    """An output in words, with the names and shapes of its parts."""
    if _is_tensor(output):
        return f"a tensor of {[*output.shape]}"
    parts = parts_of(output)
    if parts is None:
        return f"a value of type {type(output).__name__}"
    told = [f"{name!r} ({_short(part)})" for name, part in list(parts.items())[:SHOWN]]
    more = [f"{len(parts) - SHOWN} more"] if len(parts) > SHOWN else []
    return f"a {type(output).__name__} of {', '.join([*told, *more]) or 'nothing'}"


def _short(part: Any) -> str:
    return f"tensor {[*part.shape]}" if _is_tensor(part) else type(part).__name__


def _is_tensor(value: Any) -> bool:
    """What is read here loads no torch, for declarations of detectors need it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
