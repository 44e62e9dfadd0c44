"""Degradations of pictures, also without the rest of qbench.

    >>> from qbench.degrade import degrade
    >>> worse, facts = degrade(picture, "fog", severity=3, seed=0, sample_id="photo-7")
    >>> worse, facts = degrade(picture, "jpeg", quality=10)

The same seed and sample id give the same bits on any machine with the same library versions, in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qbench.vocabulary import Condition, Facts, Image

__all__ = ["condition", "degrade"]


def condition(name: str, **parameters: Any) -> Condition:
    """The condition of that name; parameters as in a suite, `{"between": [5, 40]}` and the like among them.

    Raises pydantic's ValidationError (a ValueError) for a name or parameter that does not hold."""
    from qbench.degrade.chain import condition_from

    return condition_from({name: parameters})


def degrade(image: Image, name: str, *, seed: int = 0, sample_id: str = "", **parameters: Any) -> tuple[Image, Facts]:
    """`image`, uint8 [H, W, 3] RGB or [H, W] grey, under a condition, and the facts of this draw.

    Raises ValueError as `condition` does, and ConditionError for a picture that the condition cannot take."""
    from qbench.draws import Draw

    return condition(name, **parameters).apply(image, Draw(seed, sample_id))
