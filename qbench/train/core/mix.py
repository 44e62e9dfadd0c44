"""The degradations of a recipe: a weighted mix of conditions whose parameters may be drawn for every sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qbench.cards.schema import MixPart
from qbench.documents.construct import construct
from qbench.draws import Draw
from qbench.errors import below
from qbench.vocabulary import Condition, Image


@dataclass(frozen=True)
class Part:
    """One degradation of the mix, and whether a gate should leave its pictures alone."""

    condition: Condition
    leave: bool


@dataclass(frozen=True)
class Mix:
    """One of the parts, drawn by weight, applied to a picture."""

    parts: tuple[Part, ...]
    bounds: tuple[float, ...]
    """Cumulative weights, ending in 1."""

    def place(self, draw: Draw) -> int:
        """Which of the parts this draw takes."""
        point = draw("mix/part").random()
        return next((i for i, bound in enumerate(self.bounds) if point < bound), len(self.parts) - 1)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, bool]:
        """The degraded picture, of the same shape, and whether a gate should help it."""
        part = self.parts[self.place(draw)]
        return part.condition.apply(image, draw)[0], not part.leave


def mix(parts: Sequence[MixPart]) -> Mix:
    """The mix of a recipe; every part is built once, so that a wrong name or value is told with its path."""
    total, reached, bounds = sum(part.weight for part in parts), 0.0, []
    for part in parts:
        reached += part.weight
        bounds.append(reached / total)
    return Mix(tuple(_prepared(part, number) for number, part in enumerate(parts)), tuple(bounds))


def _prepared(part: MixPart, number: int) -> Part:
    named = part.condition
    leave = named.name == "clean" if part.leave is None else part.leave
    with below(number, "condition"):
        return Part(construct("condition", named), leave)
