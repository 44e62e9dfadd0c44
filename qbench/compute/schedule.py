"""Which steps the cells of a unit share, so that each step is done once for all of them.

The shard's computation follows this schedule, and the estimate of a plan counts it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from qbench.compute.cell import Cell
from qbench.data.views import View
from qbench.registry.named import text_of

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Placed:
    """A cell with the view of its model in pixels and, for a method at a feature site, the site."""

    cell: Cell
    view: View
    site: str = ""


@dataclass(frozen=True)
class Stem:
    """Cells whose features come from one forward pass up to one site of one model."""

    site: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Degraded:
    """The cells that see the same pictures: one view, one condition."""

    restored: tuple[tuple[Cell, ...], ...]
    """Groups of image methods: the cells of a group share one restoration, and each has a model of its own."""
    stems: tuple[Stem, ...]
    whole: tuple[Cell, ...]
    """Cells whose model sees the degraded pictures: `direct` and methods that change the model."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        grouped = [*self.restored, *(stem.cells for stem in self.stems), self.whole]
        return tuple(cell for cells in grouped for cell in cells)


@dataclass(frozen=True)
class AtView:
    """The cells whose models see pictures of one geometry, by condition."""

    view: View
    conditions: tuple[Degraded, ...]


def schedule(placed: Iterable[Placed]) -> list[AtView]:
    """The cells of one source in groups that share a view, then a condition, then a restoration or a stem."""
    views = _grouped(placed, lambda one: one.view)
    return [AtView(view, tuple(map(_degraded, _grouped(ones, _condition).values()))) for view, ones in views.items()]


def _condition(placed: Placed) -> str:
    return text_of(placed.cell.condition)


def _degraded(placed: Sequence[Placed]) -> Degraded:
    at_image = [one.cell for one in placed if one.cell.method.site == "image"]
    at_feature = [one for one in placed if one.cell.method.site == "feature"]
    whole = [one.cell for one in placed if one.cell.method.site not in {"image", "feature"}]
    restored = _grouped(at_image, lambda cell: (text_of(cell.method), cell.weights_sha256))
    stems = _grouped(at_feature, lambda one: (text_of(one.cell.model), one.site))
    return Degraded(
        tuple(tuple(cells) for cells in restored.values()),
        tuple(Stem(site, tuple(one.cell for one in ones)) for (_, site), ones in stems.items()),
        tuple(whole),
    )


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
