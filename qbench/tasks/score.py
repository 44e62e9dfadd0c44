"""What the metrics of all tasks share: records as columns, weights, means. Numpy alone."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from qbench.errors import QbenchError

Numbers = NDArray[np.float64]


class Columns(Protocol):
    """Columns by name, each with one value a sample."""

    def __getitem__(self, name: str, /) -> Any: ...


class Metric(Protocol):
    """`statistic` takes weights [..., samples] (how often each sample counts) and gives values [...], so that a
    bootstrap is one call.

    Metrics that are means over samples also give `per_sample(records) -> [samples]`, and say with `hits` whether a
    sample is a hit or a miss. `counts(records)` tells which samples count (default: readable ones), `columns` which
    columns it reads, `title` and `unit` how tables show it, and `resamples` how many a table takes where more are too
    slow. A mean over classes has `each`, the metric of every class at once, whose statistic gives [..., K] and whose
    `support(records) -> [K]` says in words how much of each class the truth holds."""

    higher_is_better: bool
    range: tuple[float, float]
    columns: tuple[str, ...]

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers: ...


def readable(records: Columns) -> NDArray[np.bool_]:
    """[samples]: those that could be read."""
    return np.asarray(np.asarray(records["error"], dtype=np.str_) == "")


def weighted_mean(values: Numbers, counts: NDArray[np.bool_], weights: Numbers) -> Numbers:
    """The mean over the samples that count, under weights [..., samples]; NaN where none has weight."""
    weights = np.asarray(weights, dtype=np.float64)
    total = weights @ counts.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ np.where(counts, values, 0.0)) / total, dtype=np.float64)


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class OneClass:
    """A metric of one class, `iou:3` for the class of index 3; `noun` is what its title calls it."""

    noun: ClassVar[str]

    def __init__(self, number: str | int, name: str | None = None) -> None:
        """Raises QbenchError for what is not a class index; `name` is the class's name, for the title."""
        if not str(number).isdigit():
            raise QbenchError(f"`{self.noun.lower()}:` takes the index of a class, counted from 0, not {number!r}")
        self.number = int(number)
        self.title = f"{self.noun} {name or self.number} (%)"
