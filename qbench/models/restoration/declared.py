"""The restorers that are declared as methods, for what runs or trains one by its name. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from qbench.errors import QbenchError, nearest
from qbench.registry import Entry, get, names

if TYPE_CHECKING:
    from torch import nn


class Declared(Protocol):
    """The class of an image method whose network maps [B, 3, H, W] in [0, 1] to the same, not clamped."""

    reach: ClassVar[int | None]
    """How many pixels to each side an output pixel depends on; None where it depends on the whole picture."""
    closing: ClassVar[tuple[str, ...]]
    """Layers that start at zero, so that training starts at the identity."""
    sites: ClassVar[Mapping[str, str]]
    """Places inside the network where features can be read and changed."""

    @classmethod
    def new_network(cls) -> nn.Module:
        """The network in its training form; one that is `Deployable` runs in its deployed form."""
        ...


def entry_of(name: str) -> Entry:
    """The method that declares a restorer. Raises QbenchError with the nearest name."""
    known = restorer_names()
    if name not in known:
        there_are = ", ".join(f"restorer:{other}" for other in known)
        raise QbenchError(f"no restorer {name!r}{nearest(name, known)}; there are: {there_are}")
    return get("method", name)


def restorer(name: str) -> type[Declared]:
    """The class of the restorer of that name. Raises QbenchError with the nearest name."""
    target: type[Declared] = entry_of(name).target
    return target


def restorer_names() -> list[str]:
    """All restorers, those of plug-ins among them."""
    return [name for name in names("method") if hasattr(get("method", name).target, "new_network")]
