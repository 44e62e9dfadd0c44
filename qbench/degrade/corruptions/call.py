"""What the code of a corruption is given beside the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np

Rng = TypeVar("Rng")
Parameters: TypeAlias = tuple[float, ...]
Size = Literal["imagenet", "cifar"]


@dataclass(frozen=True)
class Call(Generic[Rng]):
    """The strength of the corruption, its random numbers, and where it says what it drew."""

    c: Parameters
    draw: Callable[[], Rng]
    """Makes the generator, which costs as much as the quickest corruptions; those without randomness never ask."""
    size: Size = "imagenet"
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def rng(self) -> Rng:
        return self.draw()


Keyed: TypeAlias = Call[np.random.Generator]
Legacy: TypeAlias = Call[np.random.RandomState]
