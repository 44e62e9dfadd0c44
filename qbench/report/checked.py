"""The boundary to metrics: what they are lent, what they may give back, and what becomes of an error in one.

Every metric goes through it, those of qbench too: odd records may be too much for any. Numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.errors import QbenchError, foreign
from qbench.process import visit
from qbench.report.leaderboard import GAINS, Unit
from qbench.stats.bootstrap import RESAMPLES, Flags, Numbers
from qbench.tasks.score import readable

Records = Mapping[str, NDArray[Any]]
MOST = 100_000
"""Resamples that a metric may ask for."""
ROUNDING = 1e-6
"""How far a score may lie outside of its range, where it is a sum of rounded numbers."""


class MetricFault(QbenchError):
    """A metric that raises, or gives what is no score. Its scores are told as failed; the records stay."""


class CheckedMetric:
    """A metric that is checked in what it gives; a plug-in's is lent records and weights that it cannot write into.

    It has `per_sample`, `each`, `support` and `relative` where the metric has them."""

    def __init__(self, metric: Any, who: str, is_ours: bool) -> None:
        """`who` names the metric in errors. Raises MetricFault for facts that are missing or not of their kind."""
        self._metric, self._who, self.is_ours = metric, who, is_ours
        self._lent: dict[int, tuple[Records, Records]] = {}
        self.title = self._fact("title", "", str, "text")
        self.unit: Unit = self._fact("unit", "plain", str, "text")
        if self.unit not in GAINS:
            raise MetricFault(f"{who} has the unit {self.unit!r}; expected one of {', '.join(GAINS)}")
        self.higher_is_better: bool | None = self._fact("higher_is_better", ..., bool | None, "True, False or None")
        self.hits = self._fact("hits", False, bool, "True or False")
        self.resamples = self._fact("resamples", RESAMPLES, int, f"a whole number from 1 to {MOST:,}")
        if not 1 <= self.resamples <= MOST:
            raise MetricFault(f"{who} asks for {self.resamples} resamples; expected 1 to {MOST:,}")
        self.range = self._range()
        for name in ("per_sample", "support", "relative"):
            if hasattr(metric, name):
                setattr(self, name, getattr(self, f"_{name}"))
        if hasattr(metric, "each"):
            self.each = CheckedEach(metric.each, f"{who} of each class", is_ours)

    def _fact(self, name: str, default: Any, kind: Any, words: str) -> Any:
        with self._visited(f"`{name}`"):
            value = getattr(self._metric, name, default)
        if not isinstance(value, kind):
            given = "nothing" if value is ... else repr(value)
            raise MetricFault(f"{self._who} has {given:.60} for `{name}`; expected {words}")
        return value

    def _range(self) -> tuple[float, float]:
        value = self._fact("range", ..., tuple | list, "its lowest and highest value")
        numbers = [float(v) for v in value if isinstance(v, int | float) and not np.isnan(v)]
        if len(numbers) != 2 or len(value) != 2 or numbers[0] >= numbers[1]:
            raise MetricFault(f"{self._who} has {value!r:.60} for `range`; expected its lowest and highest value")
        return numbers[0], numbers[1]

    @contextmanager
    def _visited(self, call: str) -> Iterator[None]:
        """Whatever is raised inside becomes a MetricFault."""
        what = f"{self._who}: {call} raised"
        try:
            with foreign(what, MetricFault), nullcontext() if self.is_ours else visit(self._who, call):
                yield
        except MetricFault:
            raise
        except QbenchError as error:
            raise MetricFault(f"{what}: {error.message}") from error

    def statistic(self, records: Records, weights: Numbers) -> Numbers:
        """[...] under weights [..., samples]. Raises MetricFault for anything but finite numbers and NaN."""
        with self._visited("statistic"):
            value = self._metric.statistic(self._lend(records), _read_only(weights) if not self.is_ours else weights)
        return self._in_range(self._numbers(value, "statistic", weights.shape[:-1]))

    def counts(self, records: Records) -> Flags:
        """[samples]: which of them count. Raises MetricFault for anything but booleans."""
        count = len(records["error"])
        with self._visited("counts"):
            value = np.asarray(getattr(self._metric, "counts", readable)(self._lend(records)))
        if value.dtype != np.bool_ or value.shape != (count,):
            raise MetricFault(f"{self._who}: counts gave {_described(value)}; expected bool [{count}]")
        return value.copy()

    def _per_sample(self, records: Records) -> Numbers:
        with self._visited("per_sample"):
            value = self._metric.per_sample(self._lend(records))
        numbers = self._numbers(value, "per_sample", (len(records["error"]),))
        if self.hits and np.any((numbers < 0) | (numbers > 1)):
            raise MetricFault(
                f"{self._who}: per_sample gave values outside of 0 to 1; expected these of a metric of `hits`"
            )
        return numbers

    def _support(self, records: Records) -> Sequence[str]:
        with self._visited("support"):
            return [str(text) for text in self._metric.support(self._lend(records))]

    def _relative(self, clean: Any, corrupted: Any) -> Any:
        with self._visited("relative"):
            value = self._metric.relative(clean, corrupted)
        return self._numbers(value, "relative", np.shape(clean))

    def _lend(self, records: Records) -> Records:
        """The same columns; those that a plug-in gets cannot be written into, and are the same objects at each call."""
        if self.is_ours:
            return records
        if id(records) not in self._lent:
            self._lent[id(records)] = records, {name: _read_only(values) for name, values in records.items()}
        return self._lent[id(records)][1]

    def _numbers(self, value: Any, call: str, shape: tuple[int, ...]) -> Numbers:
        """An array of this shape. Raises MetricFault."""
        with self._visited(call):
            array = np.asarray(value)
        if array.dtype.kind not in "fiub" or not self._fits(array.shape, shape):
            raise MetricFault(f"{self._who}: {call} gave {_described(array)}; expected {self._wanted(shape)}")
        if np.isinf(array).any():
            raise MetricFault(f"{self._who}: {call} gave an infinite number; expected finite ones, or NaN for none")
        return array.astype(np.float64)

    def _in_range(self, numbers: Numbers) -> Numbers:
        """The same scores. Raises MetricFault for one outside of the metric's `range`, but for rounding."""
        low, high = self.range
        outside = numbers[(numbers < low - ROUNDING) | (numbers > high + ROUNDING)]
        if outside.size:
            told = f"{self._who}: statistic gave {outside.flat[0]:g}; its `range` is {low:g} to {high:g}"
            raise MetricFault(told)
        return numbers

    def _fits(self, given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        return given == wanted

    def _wanted(self, shape: tuple[int, ...]) -> str:
        return f"numbers {list(shape)}" if shape else "one number"


class CheckedEach(CheckedMetric):
    """A metric of each class: [..., classes]."""

    def _fits(self, given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        return given[:-1] == wanted and len(given) > len(wanted)

    def _wanted(self, shape: tuple[int, ...]) -> str:
        return f"numbers [{''.join(f'{size}, ' for size in shape)}classes]"


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    if values.dtype == object:
        view = np.empty_like(values)
        view[:] = [_read_only(row) for row in values]
    view.flags.writeable = False
    return view


def _described(array: NDArray[Any]) -> str:
    kind = "text" if array.dtype.kind in "US" else "objects" if array.dtype == object else str(array.dtype)
    return f"{kind} {list(array.shape)}" if array.shape else f"one value of {kind}"
