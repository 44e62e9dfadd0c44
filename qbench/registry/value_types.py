"""What a file gives is of the kind that is asked for: text is no number, and `true` is no 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, TypeAlias

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from qbench.errors import short

Misfit: TypeAlias = tuple[tuple[str | int, ...], str]
KINDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}

LARGEST_INTEGER = 2**63 - 1
"""What 64 bits hold: what libraries and files can take."""


class FromVariable(str):
    """Text that an environment variable gave; it may stand for a number, or for true or false."""

    __slots__ = ()


def misfits(given: Any, result: Any, path: tuple[str | int, ...] = ()) -> Iterator[Misfit]:
    """Where pydantic, which converts, took a value of `given` for one of another kind in its `result`.

    Whole numbers may stand for numbers. What is not of pydantic converts as it likes."""
    for key, value, taken in _pairs(given, result):
        yield from misfits(value, taken, (*path, key))
    kind, wanted = type(given), type(result)
    name = f"{path[-1]!r}: " if path else ""
    if kind in KINDS and wanted in KINDS and kind is not wanted and (kind, wanted) != (int, float):
        yield path, f"{name}expected {KINDS[wanted]}, not {short(given)}"
    elif wanted in (int, float) and (problem := unfit_number(result)):
        yield path, f"{name}{problem}"


def unfit_number(value: float) -> str:
    """Why a number cannot be taken at all; empty where it can."""
    if isinstance(value, int):
        return "" if abs(value) <= LARGEST_INTEGER else f"whole numbers are at most 2^63 - 1, not {short(value)}"
    return "" if isfinite(value) else f"expected a finite number, not {value}"


def located(message: str, *path: str | int) -> ValidationError:
    """A fault at a place inside the parameters, as pydantic tells its own."""
    fault = InitErrorDetails(type=PydanticCustomError("value_error", "{text}", {"text": message}), loc=path, input=None)
    return ValidationError.from_exception_data("parameters", [fault])


def relocated(error: ValidationError, *path: str | int) -> ValidationError:
    """The same faults one level further out."""
    faults = [
        InitErrorDetails(
            type=PydanticCustomError(fault["type"], "{text}", {"text": fault["msg"]}),
            loc=(*path, *fault["loc"]),
            input=fault["input"],
        )
        for fault in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, faults)


def _pairs(given: Any, result: Any) -> Iterator[tuple[str | int, Any, Any]]:
    if isinstance(given, Mapping):
        fields = getattr(type(result), "__pydantic_fields__", {})
        taken = result if isinstance(result, Mapping) else {key: getattr(result, key, None) for key in fields}
        yield from ((key, value, taken[key]) for key, value in given.items() if key in taken)
    elif isinstance(given, list | tuple) and isinstance(result, list | tuple) and len(given) == len(result):
        yield from zip(range(len(given)), given, result, strict=True)
