"""What tables call a condition: its label, and the family of conditions that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

from pydantic.fields import FieldInfo


def with_modes(name: str, *modes: str) -> str:
    """`name`, with all that is not as usual in brackets: `avif@10 (4:4:4, speed 8)`."""
    shown = ", ".join(mode for mode in modes if mode)
    return f"{name} ({shown})" if shown else name


def family_of(name: str, condition: Any) -> str:
    """The family of a condition that is registered under `name`; a class that has none is a family by itself."""
    return str(getattr(condition, "family", name))


class Degradation:
    """A condition of qbench: its registered name, and the modes that make it another degradation."""

    name: ClassVar[str]

    @property
    def modes(self) -> tuple[str, ...]:
        """Parameters that are not as usual and lie on no axis, in words."""
        return ()

    @property
    def family(self) -> str:
        """Name and modes: what stays the same along the axis."""
        return with_modes(self.name, *self.modes)


class ByParameters(Degradation):
    """A condition whose label tells its parameters: `haze(beta 1.2)`. The first one is its axis."""

    @property
    def _shown(self) -> Mapping[str, str]:
        """The first parameter, and those after it that are not as usual."""
        first, *others = fields(self)  # type: ignore[arg-type]
        shown = [first, *(item for item in others if getattr(self, item.name) != _usual(item.default))]
        return {item.name: _text(getattr(self, item.name)) for item in shown}

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(f"{name} {value}" for name, value in list(self._shown.items())[1:])

    @property
    def label(self) -> str:
        return f"{self.name}({', '.join(f'{name} {value}' for name, value in self._shown.items())})"

    @property
    def axis(self) -> tuple[str, float]:
        first = next(iter(self._shown))
        return first, float(getattr(self, first))


def _usual(default: Any) -> Any:
    return default.default if isinstance(default, FieldInfo) else default


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
