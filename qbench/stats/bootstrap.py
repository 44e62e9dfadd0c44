"""The bootstrap: one keyed set of resamples that every cell of a dataset shares, so that all is paired.

Samples are drawn, or groups of samples where they have some. Arrays of samples are [samples, columns]: a column is a
cell, and `counts` marks the samples that count in it. Averages over cells give each cell the same weight and resample
all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.draws import keyed
from qbench.stats.intervals import LEVEL

RESAMPLES = 2000
_BLOCK = 1_000_000
"""Weights that are made at a time."""
_KEEP = 16_000_000
"""Draws that are kept, a byte each: 2000 resamples of 8,000 samples. Others are drawn each time, so that memory
does not grow with the samples."""
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Groups:
    """What samples belong to, such as a video or a patient: `of` [samples] holds each one's group, counted from 0."""

    of: NDArray[np.intp]

    @property
    def count(self) -> int:
        return int(self.of.max(initial=-1)) + 1

    def among(self, samples: Flags) -> int:
        """The number of groups with at least one of these samples."""
        return len(np.unique(self.of[samples]))


def resamples(
    samples: int, seed: int, label: str, count: int = RESAMPLES, groups: Groups | None = None
) -> Iterator[Numbers]:
    """How often each sample is drawn in each resample, in blocks [some resamples, samples] of bounded size. Of samples
    in groups, whole groups are drawn (the cluster bootstrap: Davison & Hinkley 1997, section 3.8).

    The draws are keyed by (seed, label), so that every table of a dataset sees the same resamples."""
    units, rows = samples if groups is None else groups.count, _rows(samples)
    if units * count > _KEEP:
        drawn: Iterable[NDArray[Any]] = _drawn(units, seed, label, count, rows)
    else:
        kept = _kept(units, seed, label, count)
        drawn = (kept[start : start + rows] for start in range(0, count, rows))
    for block in drawn:
        weights = (block if groups is None else block[:, groups.of]).astype(np.float64)
        weights.flags.writeable = False
        yield weights


@lru_cache(maxsize=2)
def _kept(samples: int, seed: int, label: str, count: int) -> NDArray[np.uint8]:
    """[count, samples]. That a sample is drawn more than 255 times in one resample happens in none."""
    kept = np.empty((count, samples), dtype=np.uint8)
    filled = 0
    for block in _drawn(samples, seed, label, count, _rows(samples)):
        assert block.max(initial=0) <= np.iinfo(np.uint8).max
        kept[filled : filled + len(block)] = block
        filled += len(block)
    return kept


def _rows(samples: int) -> int:
    """Resamples in a block."""
    return max(1, _BLOCK // max(1, samples))


def _drawn(samples: int, seed: int, label: str, count: int, rows: int) -> Iterator[NDArray[np.int64]]:
    generator = keyed(seed, "bootstrap", 0, label)
    for start in range(0, count, rows):
        block = min(rows, count - start)
        drawn = generator.integers(0, samples, size=(block, samples))
        drawn += np.arange(block)[:, None] * samples
        yield np.bincount(drawn.ravel(), minlength=block * samples).reshape(block, samples)


def column_means(values: Numbers, counts: Flags, weights: Numbers) -> Numbers:
    """[resamples, columns]: each column's mean under each row of weights [resamples, samples]. `counts` may have one
    column for all."""
    if counts.all():
        return np.asarray((weights @ values) / weights.sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ np.where(counts, values, 0.0)) / (weights @ counts.astype(np.float64))


def means(
    values: Numbers, counts: Flags, seed: int, label: str, count: int = RESAMPLES, groups: Groups | None = None
) -> Numbers:
    """[resamples, columns]: the bootstrap distribution of the column means of [samples, columns] values."""
    blocks = resamples(len(values), seed, label, count, groups)
    return np.concatenate([column_means(values, counts, weights) for weights in blocks])


def percentile(distribution: Numbers, level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval (Efron & Tibshirani 1993, section 13.3) of [resamples] values; NaN rows are left out."""
    known = distribution[~np.isnan(distribution)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard(distribution: Numbers, whole: float, samples: int, level: float = LEVEL) -> tuple[float, float]:
    """The bootstrap's standard interval (Efron & Tibshirani 1993, sections 12.3 and 10.2) around `whole`, the statistic
    of all `samples`, or groups of them, where those are resampled: Student's t times the standard deviation of the
    [resamples] values to both sides, and their bias more on the side where it says that the truth lies; NaN rows are
    left out. NaN for one sample, or where no resample differs from another.

    For statistics that a resample, which holds fewer different samples, moves to one side, such as means over classes:
    the percentile interval moves to the wrong side there, and the basic one, its mirror image, leaves the statistic
    itself at or beyond its end. This one holds it inside. It too may hold the truth less often than it says where
    samples are few (`benchmarks/interval_coverage.py` measures both)."""
    from scipy.special import stdtrit

    known = distribution[~np.isnan(distribution)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    if samples < 2 or spread == 0:
        return float("nan"), float("nan")
    reach = float(stdtrit(samples - 1, 0.5 + level / 2)) * spread * sqrt(samples / (samples - 1))
    beyond = whole - float(known.mean())
    return whole - reach + min(beyond, 0.0), whole + reach + max(beyond, 0.0)
