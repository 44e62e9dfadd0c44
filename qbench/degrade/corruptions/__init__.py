"""The nineteen corruptions of ImageNet-C at five severities, as conditions and as one function."""

from __future__ import annotations

from qbench.degrade.corruptions.base import Corruption, Mode
from qbench.degrade.corruptions.severities import COMMON, EXTRA, Size
from qbench.vocabulary import Image

NAMES = (*COMMON, *EXTRA, "frost_procedural")


def make(name: str, severity: int, mode: Mode = "fast", size: Size = "imagenet", resave: bool = False) -> Corruption:
    """The condition of that name. Raises QbenchError for an unknown name, ConditionError for other parameters."""
    from pydantic import ValidationError

    from qbench.degrade.corruptions.conditions import BY_NAME
    from qbench.errors import ConditionError, nearest

    if name not in BY_NAME:
        raise ConditionError(f"no corruption is named {name!r}{nearest(name, NAMES)}; there are {', '.join(NAMES)}")
    try:
        return BY_NAME[name](severity=severity, mode=mode, size=size, resave=resave)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConditionError(f"{name}: {told}") from None


def corrupt(
    image: Image,
    name: str,
    severity: int,
    seed: int = 0,
    sample_id: str = "",
    mode: Mode = "fast",
    size: Size = "imagenet",
    resave: bool = False,
) -> Image:
    """`image`, uint8 [H, W, 3] or [H, W] of at least 32 x 32 pixels, under a corruption at severity 1..5.

    The random draw is a function of `seed`, `name` and `sample_id` alone; see `Corruption` for the other parameters.
    Raises ConditionError."""
    from qbench.draws import Draw

    return make(name, severity, mode, size, resave).apply(image, Draw(seed, sample_id))[0]
