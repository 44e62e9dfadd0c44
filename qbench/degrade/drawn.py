"""Parameters of a condition that are drawn for every sample.

`{any: [..]}` draws one of the values, `{between: [low, high]}` a number (whole where both ends are whole, ends
included), and `{between: [low, high], by: log}` draws evenly by ratio."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from qbench.degrade.labels import family_of
from qbench.draws import Draw
from qbench.registry import Entry
from qbench.registry.create import call, maker
from qbench.registry.value_types import located
from qbench.vocabulary import Condition, Facts, Image

LOG_POINTS = 200
TRIED = 1000
"""How many whole numbers between two others are tried, about, when parameters are checked."""
EXPECTED = "{any: [..]}, {between: [low, high]} or {between: [low, high], by: log}"


class Values(Protocol):
    """What a parameter may be."""

    def pick(self, rng: np.random.Generator) -> Any: ...

    @property
    def tried(self) -> tuple[Any, ...]:
        """Values that stand for all when parameters are checked."""

    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class OneOf:
    """One of some values, evenly."""

    values: tuple[Any, ...] | range
    text: str

    def pick(self, rng: np.random.Generator) -> Any:
        return self.values[int(rng.choice(len(self.values)))]

    @property
    def tried(self) -> tuple[Any, ...]:
        if isinstance(self.values, tuple):
            return self.values
        return (self.values[0], self.values[-1], *self.values[1 : -1 : max(1, len(self.values) // TRIED)])


@dataclass(frozen=True)
class Span:
    """A number between two others, evenly, or evenly by ratio."""

    low: float
    high: float
    log: bool

    def pick(self, rng: np.random.Generator) -> float:
        share = float(rng.random())
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share

    @property
    def tried(self) -> tuple[float, ...]:
        return self.low, self.high

    @property
    def text(self) -> str:
        return f"{self.low:g}–{self.high:g}"


@dataclass(frozen=True)
class Drawn:
    """A condition with the parameters that are drawn here; those that the condition draws itself are left to it."""

    entry: Entry
    fixed: Mapping[str, Any]
    drawn: Mapping[str, Values]

    axis = None

    @property
    def label(self) -> str:
        """`blur(sigma 0.5–3)`."""
        shown = [f"{k} {v}" for k, v in self.fixed.items()] + [f"{k} {v.text}" for k, v in self.drawn.items()]
        return f"{self.entry.name}({', '.join(shown)})"

    @property
    def family(self) -> str:
        """The family of all conditions that are drawn; the registered name, where they have several."""
        families = {family_of(self.entry.name, self._nth(n)) for n in range(_count(self.drawn))}
        return families.pop() if len(families) == 1 else self.entry.name

    @property
    def runs_through(self) -> tuple[Entry, ...]:
        return (self.entry, *inner(self._nth(0)))

    def condition(self, draw: Draw) -> Condition:
        """The condition with this sample's parameters."""
        return cast(Condition, self.entry.target(**self.fixed, **self._parameters(draw)))

    def _nth(self, n: int) -> Condition:
        return cast(Condition, self.entry.target(**self.fixed, **_nth(self.drawn, n)))

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        parameters = self._parameters(draw)
        degraded, facts = self.entry.target(**self.fixed, **parameters).apply(image, draw)
        return degraded, {**facts, "drawn": {**facts.get("drawn", {}), **parameters}}

    def _parameters(self, draw: Draw) -> dict[str, Any]:
        return {key: values.pick(draw(f"mix/{key}")) for key, values in self.drawn.items()}


def inner(condition: Any) -> tuple[Entry, ...]:
    """The entries that a composite condition runs through, besides its own; their code and libraries count too."""
    return tuple(getattr(condition, "runs_through", ()))


@maker("condition")
def prepared(entry: Entry, params: Mapping[str, Any]) -> Condition:
    """The condition of that name with its parameters, where some may be drawn for every sample.

    Raises pydantic's ValidationError at the parameter that is wrong; all values that may be drawn are tried."""
    ranges = {key: _values(key, value) for key, value in params.items() if _looks_drawn(entry, params, key)}
    fixed = {key: value for key, value in params.items() if key not in ranges}
    first = {**fixed, **_nth(ranges, 0)}
    left = {key for key in ranges if _takes(entry, {**first, key: params[key]})}
    fixed |= {key: params[key] for key in left}
    drawn = {key: values for key, values in ranges.items() if key not in left}
    if not drawn:
        return cast(Condition, call(entry, fixed))
    for n in range(_count(drawn)):
        call(entry, {**fixed, **_nth(drawn, n)})
    return Drawn(entry, fixed, drawn)


def _count(drawn: Mapping[str, Values]) -> int:
    return max(len(values.tried) for values in drawn.values())


def _nth(drawn: Mapping[str, Values], n: int) -> dict[str, Any]:
    return {key: values.tried[min(n, len(values.tried) - 1)] for key, values in drawn.items()}


def _looks_drawn(entry: Entry, params: Mapping[str, Any], key: str) -> bool:
    value = params[key]
    if not isinstance(value, Mapping):
        return False
    return bool({"any", "between"} & set(value)) or not _takes(entry, params)


def _takes(entry: Entry, params: Mapping[str, Any]) -> bool:
    """Whether the condition takes these as they are, as `rejpeg` draws from `{any: [..]}` itself for every round."""
    try:
        call(entry, params)
    except (ValueError, TypeError):
        return False
    return True


def _values(key: str, value: Mapping[str, Any]) -> Values:
    number = int | float
    match value:
        case {"any": [_, *_] as values} if len(value) == 1:
            return OneOf(tuple(values), "|".join(map(str, values)))
        case {"between": [low, high]} if len(value) == 1 and _are(int, low, high) and 0 <= high - low < sys.maxsize:
            return OneOf(range(low, high + 1), f"{low}–{high}")
        case {"between": [low, high], "by": "log"} if len(value) == 2 and _are(int, low, high) and 0 < low <= high:
            points = (round(low * (high / low) ** ((i + 0.5) / LOG_POINTS)) for i in range(LOG_POINTS))
            return OneOf(tuple(points), f"{low}–{high}")
        case {"between": [low, high]} if len(value) == 1 and _are(number, low, high) and low <= high:
            return Span(float(low), float(high), log=False)
        case {"between": [low, high], "by": "log"} if len(value) == 2 and _are(number, low, high) and 0 < low <= high:
            return Span(float(low), float(high), log=True)
    raise located(f"expected {EXPECTED}, not {dict(value)}", key)


def _are(kind: Any, *values: Any) -> bool:
    return all(isinstance(value, kind) and not isinstance(value, bool) for value in values)
