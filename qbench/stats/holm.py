"""Many comparisons at once: which of them hold together."""

from __future__ import annotations

from collections.abc import Sequence

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
