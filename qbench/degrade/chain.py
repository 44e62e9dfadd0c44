"""Several conditions, one after the other, as pictures meet them on their way."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from pydantic import Field, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from qbench import registry
from qbench.degrade.drawn import inner
from qbench.degrade.labels import family_of
from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.errors import QbenchError
from qbench.registry import Entry, condition
from qbench.registry.create import create
from qbench.registry.named import Named, NamedItem
from qbench.registry.value_types import located, relocated
from qbench.vocabulary import Condition, Facts, Image


@condition("chain", whole=("steps",))
@dataclass(frozen=True, config=STRICT)
class Chain:
    """Any conditions in a row; each draws for itself, so that a chain's beginning does not depend on its end."""

    steps: tuple[NamedItem, ...] = Field(min_length=1)

    @field_validator("steps")
    @classmethod
    def _buildable(cls, steps: tuple[Named, ...]) -> tuple[Named, ...]:
        for number, named in enumerate(steps):
            _built(named, number)
        return steps

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        return tuple(_built(named, number) for number, named in enumerate(self.steps))

    @property
    def label(self) -> str:
        """`jpeg@40 → resize@0.5 → webp@30`."""
        named = zip(self.steps, self.conditions, strict=True)
        return " → ".join(step.label or condition.label for step, condition in named)

    @property
    def axis(self) -> None:
        return None

    @property
    def family(self) -> str:
        """`jpeg → resize → webp`."""
        named = zip(self.steps, self.conditions, strict=True)
        return " → ".join(family_of(step.name, condition) for step, condition in named)

    @property
    def runs_through(self) -> tuple[Entry, ...]:
        entries = [registry.get("condition", named.name) for named in self.steps]
        return (*entries, *(entry for condition in self.conditions for entry in inner(condition)))

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        """The last picture; the facts of every step, and the bits per pixel of the last one that was a file."""
        image, steps = checked(image, self.label), list[Facts]()
        for number, step in enumerate(self.conditions):
            image, facts = step.apply(image, draw.within(str(number)))
            steps.append(facts)
        rates = [facts["bpp"] for facts in steps if "bpp" in facts]
        return image, {"steps": steps, **({"bpp": rates[-1]} if rates else {})}


def _built(named: Named, number: int) -> Condition:
    """A step's condition. Raises ValidationError at the step's place among the parameters."""
    try:
        return cast(Condition, create("condition", named))
    except QbenchError as error:
        raise located(f"step {number + 1}: {error.message}", number, *named.path(*error.path)) from None
    except ValidationError as error:
        raise relocated(error, number, *named.path()) from None


def condition_from(text: Any) -> Condition:
    """A condition as a suite writes it: a name, or a name with its parameters. Raises ValidationError."""
    chain = Chain(steps=(text,))
    return chain.conditions[0]
