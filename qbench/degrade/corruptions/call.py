"""What the code of a corruption is given beside the picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from qbench.degrade.corruptions.severities import Parameters, Size

Rng = TypeVar("Rng")


@dataclass(frozen=True)
class Call(Generic[Rng]):
    """The strength of the corruption, its random numbers, and where it says what it drew."""

    c: Parameters
    rng: Rng
    size: Size = "imagenet"
    facts: dict[str, Any] = field(default_factory=dict)
