"""Which keys a class of pydantic takes, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from qbench.registry.named import Named


def fields_of(kind: Any) -> Mapping[str, FieldInfo]:
    """The fields of a model or dataclass of pydantic; none of other classes, and none of what names something."""
    return {} if kind is Named else getattr(kind, "__pydantic_fields__", {})


def field_at(kind: Any, path: Sequence[str | int]) -> FieldInfo | None:
    """The field that a key path leads to, where there is one."""
    if not path:
        return None
    for owner in _classes_at(kind, path[:-1]):
        if path[-1] in fields_of(owner):
            return fields_of(owner)[str(path[-1])]
    return None


def keys_at(kind: Any, path: Sequence[str | int]) -> list[str]:
    """The keys that may stand below a key path."""
    return [key for owner in _classes_at(kind, path) for key in fields_of(owner)]


def home_of(kind: Any, key: str) -> str | None:
    """The key, inside the class, that `key` belongs under."""
    for name, field in fields_of(kind).items():
        for inner in _classes(field.annotation):
            if key in fields_of(inner):
                return name
            if (deeper := home_of(inner, key)) is not None:
                return f"{name}: {deeper}"
    return None


def _classes_at(kind: Any, path: Sequence[str | int]) -> list[Any]:
    """The classes that the data at a key path may become; numbers and the names that pydantic adds are passed over."""
    classes = list(_classes(kind))
    for part in path:
        fields = [fields_of(owner)[str(part)] for owner in classes if part in fields_of(owner)]
        if fields:
            classes = [inner for field in fields for inner in _classes(field.annotation)]
    return classes


def _classes(annotation: Any) -> Iterator[Any]:
    """The classes with fields that an annotation names, alone or within lists and unions."""
    if get_origin(annotation) is None:
        yield from [annotation] if fields_of(annotation) else []
        return
    for argument in get_args(annotation):
        yield from _classes(argument)
