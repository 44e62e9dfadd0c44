"""The degradations of a recipe: a weighted mix of conditions whose parameters may be drawn for every sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from qbench import registry
from qbench.draws import Draw
from qbench.errors import Place, QbenchError, SuiteError
from qbench.suite.construct import construct
from qbench.suite.load import Document, KeyPath
from qbench.train.schema import MixPart
from qbench.vocabulary import Condition, Image

LOG_POINTS = 200


@dataclass(frozen=True)
class _Drawn:
    """A condition with the parameters that are drawn here; those that the condition draws itself are left to it."""

    entry: registry.Entry
    fixed: Mapping[str, Any]
    drawn: Mapping[str, Sequence[Any]]
    leave: bool
    """Whether a gate should leave its pictures alone."""

    def condition(self, draw: Draw) -> Condition:
        chosen = {key: draw(f"mix/{key}").choice(len(values)) for key, values in self.drawn.items()}
        params = {key: self.drawn[key][int(place)] for key, place in chosen.items()}
        return cast(Condition, self.entry.target(**self.fixed, **params))


@dataclass(frozen=True)
class Mix:
    """One of the parts, drawn by weight, applied to a picture."""

    parts: tuple[_Drawn, ...]
    bounds: tuple[float, ...]
    """Cumulative weights, ending in 1."""

    def apply(self, image: Image, draw: Draw) -> tuple[Image, bool]:
        """The degraded picture, of the same shape, and whether a gate should help it."""
        point = draw("mix/part").random()
        place = next((i for i, bound in enumerate(self.bounds) if point < bound), len(self.parts) - 1)
        part = self.parts[place]
        return part.condition(draw).apply(image, draw)[0], not part.leave


def mix(parts: Sequence[MixPart], document: Document, path: KeyPath) -> Mix:
    """The mix of a recipe; every part is built once, so that a wrong name or value is told at its place in the card."""
    total, reached, bounds = sum(part.weight for part in parts), 0.0, []
    for part in parts:
        reached += part.weight
        bounds.append(reached / total)
    return Mix(tuple(_prepared(p, (*path, i, "condition"), document) for i, p in enumerate(parts)), tuple(bounds))


def _prepared(part: MixPart, path: KeyPath, document: Document) -> _Drawn:
    named = part.condition
    try:
        entry = registry.get("condition", named.name)
    except QbenchError as error:
        raise SuiteError(error.message, place=document.place(path)) from None
    inner = (*path, named.name) if named.inner else path
    choices = {k: _choices(v, document.place((*inner, k))) for k, v in named.params.items() if isinstance(v, Mapping)}
    fixed = {key: value for key, value in named.params.items() if key not in choices}
    first = fixed | {key: values[0] for key, values in choices.items()}
    own = [key for key, values in choices.items() if _takes(entry, {**first, key: {"any": values}})]
    fixed |= {key: {"any": choices[key]} for key in own}
    drawn = {key: values for key, values in choices.items() if key not in own}
    for n in range(max((len(values) for values in drawn.values()), default=1)):
        params = fixed | {key: values[min(n, len(values) - 1)] for key, values in drawn.items()}
        construct(entry, named.model_copy(update={"params": params}), path, document)
    leave = named.name == "clean" if part.leave is None else part.leave
    return _Drawn(entry, fixed, drawn, leave)


def _takes(entry: registry.Entry, params: Mapping[str, Any]) -> bool:
    """Whether the condition draws from `{any: [..]}` itself, as `rejpeg` does for every round."""
    try:
        entry.target(**params)
    except (ValueError, TypeError):
        return False
    return True


def _choices(value: Mapping[str, Any], place: Place | None) -> list[Any]:
    match value:
        case {"any": [_, *_] as values} if len(value) == 1:
            return list(values)
        case {"between": [int(low), int(high)]} if len(value) == 1 and low <= high:
            return list(range(low, high + 1))
        case {"between": [int(low), int(high)], "by": "log"} if len(value) == 2 and 0 < low <= high:
            return [round(low * (high / low) ** ((i + 0.5) / LOG_POINTS)) for i in range(LOG_POINTS)]
    expected = "{any: [..]}, {between: [low, high]} or {between: [low, high], by: log}"
    raise SuiteError(f"expected {expected}, not {dict(value)}", place=place)
