"""Names of conditions with plain parameters."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic.fields import FieldInfo

SMALLEST = 8
"""Pixels of the shorter side that the conditions of this package take at least."""


def title(name: str, condition: Any) -> str:
    """`haze(beta 1.2)`: the first parameter, and those after it that are not as usual."""
    first, *others = fields(condition)
    shown = [first, *(item for item in others if getattr(condition, item.name) != _usual(item.default))]
    return f"{name}({', '.join(f'{item.name} {_text(getattr(condition, item.name))}' for item in shown)})"


def _usual(default: Any) -> Any:
    return default.default if isinstance(default, FieldInfo) else default


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
