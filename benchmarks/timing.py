"""Clocks and ratios that the benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

UNITS = ("wall", "processor")
T = TypeVar("T")


@contextmanager
def clock(seconds: dict[str, float]) -> Iterator[None]:
    """Inside, time passes: afterwards `seconds` holds it by unit."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    seconds["wall"], seconds["processor"] = time.perf_counter() - wall, time.process_time() - processor


class Steps:
    """Seconds of steps, each known by what decides its result: a step that is done again has the same name."""

    def __init__(self) -> None:
        self.taken: dict[tuple[Hashable, ...], list[dict[str, float]]] = {}

    def timed(self, name: tuple[Hashable, ...], step: Callable[[], T]) -> T:
        seconds: dict[str, float] = {}
        with clock(seconds):
            result = step()
        self.taken.setdefault(name, []).append(seconds)
        return result

    def bound(self, unit: str) -> float:
        """How much less it costs to do every step once: all seconds over the sum of the mean of each step."""
        times = [[one[unit] for one in taken] for taken in self.taken.values()]
        return sum(map(sum, times)) / sum(float(np.mean(one)) for one in times)

    def seconds(self, unit: str) -> dict[str, float]:
        """All seconds of each kind of step, which is the first part of its name."""
        found: dict[str, float] = {}
        for name, taken in self.taken.items():
            found[str(name[0])] = found.get(str(name[0]), 0) + sum(one[unit] for one in taken)
        return found


def ratios(taken: Sequence[Mapping[str, Mapping[str, float]]], upper: str, lower: str) -> dict[str, dict[str, float]]:
    """Median and quartiles over the repetitions, for each unit of time."""
    return {unit: quartiles([one[upper][unit] / one[lower][unit] for one in taken]) for unit in UNITS}


def quartiles(values: Sequence[float]) -> dict[str, float]:
    low, median, high = (round(float(value), 4) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high, "iqr": round(high - low, 4)}
