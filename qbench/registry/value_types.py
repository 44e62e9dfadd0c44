"""What a file gives is of the kind that is asked for: text is no number, and `true` is no 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

Misfit: TypeAlias = tuple[tuple[str | int, ...], str]
KINDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class FromVariable(str):
    """Text that an environment variable gave; it may stand for a number, or for true or false."""

    __slots__ = ()


def misfits(given: Any, made: Any, path: tuple[str | int, ...] = ()) -> Iterator[Misfit]:
    """Where pydantic, which converts, took a value of `given` for one of another kind in what it `made` of it.

    Whole numbers may stand for numbers. What is not of pydantic converts as it likes."""
    for key, value, taken in _pairs(given, made):
        yield from misfits(value, taken, (*path, key))
    kind, wanted = type(given), type(made)
    if kind in KINDS and wanted in KINDS and kind is not wanted and (kind, wanted) != (int, float):
        name = f"{path[-1]!r}: " if path else ""
        yield path, f"{name}expected {KINDS[wanted]}, not {given!r}"


def located(message: str, *path: str | int) -> ValidationError:
    """A fault at a place inside the parameters, as pydantic tells its own."""
    fault = InitErrorDetails(type=PydanticCustomError("value_error", "{text}", {"text": message}), loc=path, input=None)
    return ValidationError.from_exception_data("parameters", [fault])


def relocated(error: ValidationError, *path: str | int) -> ValidationError:
    """The same faults one level further out."""
    faults = [
        InitErrorDetails(
            type=PydanticCustomError(each["type"], "{text}", {"text": each["msg"]}),
            loc=(*path, *each["loc"]),
            input=each["input"],
        )
        for each in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, faults)


def _pairs(given: Any, made: Any) -> Iterator[tuple[str | int, Any, Any]]:
    if isinstance(given, Mapping):
        fields = getattr(type(made), "__pydantic_fields__", {})
        taken = made if isinstance(made, Mapping) else {key: getattr(made, key, None) for key in fields}
        yield from ((key, value, taken[key]) for key, value in given.items() if key in taken)
    elif isinstance(given, list | tuple) and isinstance(made, list | tuple) and len(given) == len(made):
        yield from zip(range(len(given)), given, made, strict=True)
