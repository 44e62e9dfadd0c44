"""Many comparisons at once: which of them hold together, and which members of a table are told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from string import ascii_lowercase

import numpy as np

from qbench.stats.bootstrap import Numbers


def holm(p: Sequence[float]) -> Numbers:
    """p-values adjusted for their family (Holm, Scandinavian Journal of Statistics 6, 1979): where those below a level
    are called differences, the chance that one of them is none is at most that level, however they depend on each
    other. NaN, a comparison that was not made, stays NaN and does not count."""
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def letters(count: int, apart: Callable[[int, int], bool]) -> list[str]:
    """Letters for the members 0 to `count` - 1, best first: two share a letter exactly where they are not told apart.

    The insert-and-absorb algorithm (Piepho, Journal of Computational and Graphical Statistics 13, 2004)."""
    groups: list[frozenset[int]] = [frozenset(range(count))] if count else []
    for one, other in combinations(range(count), 2):
        if apart(one, other):
            split = (
                part for group in groups
                for part in ((group - {one}, group - {other}) if {one, other} <= group else (group,))
            )  # fmt: skip
            groups = _without_parts_of_others(split)
    groups.sort(key=sorted)
    return ["".join(_letter(number) for number, group in enumerate(groups) if member in group)
            for member in range(count)]  # fmt: skip


def _without_parts_of_others(groups: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    unique = list(dict.fromkeys(group for group in groups if group))
    return [group for group in unique if not any(group < other for other in unique)]


def _letter(number: int) -> str:
    """a to z, then a1 to z1, and so on."""
    turn, place = divmod(number, len(ascii_lowercase))
    return f"{ascii_lowercase[place]}{turn or ''}"
