"""The cells that `--only KEY=PATTERN` leaves."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from qbench.compute.cell import Cell, Item
from qbench.errors import QbenchError, nearest

KEYS = ("task", "dataset", "condition", "model", "method")


def patterns_of(texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in KEYS:
            raise QbenchError(f"--only takes KEY=PATTERN with a key of {', '.join(KEYS)}, not {text!r}"
                              f"{nearest(key, KEYS)}")  # fmt: skip
        pairs.append((key, value))
    return pairs


def selected(cells: Sequence[Cell], only: Sequence[tuple[str, str]], suite: str) -> list[Cell]:
    """The cells that match. Raises QbenchError where none does, with the names that there are."""
    for key, pattern in only:
        names = dict.fromkeys(_facet(cell, key) for cell in cells)
        if not any(fnmatchcase(name, pattern) for name in names):
            known = f"{nearest(pattern, names)}; there are: {', '.join(names)}"
            raise QbenchError(f"--only {key}={pattern}: suite {suite!r} has no such {key}{known}")
    cells_left = [cell for cell in cells if all(fnmatchcase(_facet(cell, key), value) for key, value in only)]
    if not cells_left:
        given = " ".join(f"{key}={pattern}" for key, pattern in only)
        raise QbenchError(f"--only {given} leaves no cell of suite {suite!r}: each fits some, together none")
    return cells_left


def _facet(cell: Cell, key: str) -> str:
    item = getattr(cell, key)
    return item.label if isinstance(item, Item) else item
