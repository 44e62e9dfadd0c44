"""Metrics as tables show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qbench import registry
from qbench.compute.cell import MetricItem
from qbench.errors import QbenchError, foreign
from qbench.registry.create import create
from qbench.report.checked import CheckedMetric, MetricFault
from qbench.report.columns import Records
from qbench.report.leaderboard import Unit
from qbench.stats.bootstrap import RESAMPLES, Flags, Numbers
from qbench.tasks.restoration.metrics import MeanOfColumn, column
from qbench.tasks.score import Metric


def metric_of(item: MetricItem) -> Metric:
    """The metric of that name; one with a measure is the mean of its column."""
    declared: Any = create("metric", item)
    metric: Any = MeanOfColumn(declared, column(item), item.label) if hasattr(declared, "measure") else declared
    scores: Metric = metric
    return scores


@dataclass(frozen=True)
class ShownMetric:
    """A metric with what tables need of it: title, unit, kind of interval."""

    item: MetricItem
    by_class: bool = False
    """Whether the values are those of every class, [..., K], in place of their mean."""

    @property
    def name(self) -> str:
        return self.item.label or self.item.name

    @cached_property
    def _made(self) -> CheckedMetric | MetricFault:
        who = f"metric {self.item.name!r}"
        try:
            is_ours = registry.get("metric", self.item.name).builtin
        except QbenchError as error:
            return MetricFault(f"{error.message}; where a plug-in declares it, give --plugin")
        try:
            with foreign(f"{who} cannot be made", MetricFault):
                made = metric_of(self.item)
            whole = CheckedMetric(made, f"{who} ({type(made).__qualname__})", is_ours)
            return whole.each if self.by_class else whole
        except QbenchError as error:
            return MetricFault(error.message)

    @property
    def usable(self) -> CheckedMetric | None:
        return self._made if isinstance(self._made, CheckedMetric) else None

    @property
    def metric(self) -> CheckedMetric:
        """Raises MetricFault for a metric that is not known here, or cannot be used."""
        if isinstance(self._made, MetricFault):
            raise self._made
        return self._made

    @property
    def title(self) -> str:
        """`Top-1 accuracy (%)`; the name for a metric that has no title."""
        return (self.usable and self.usable.title) or self.name

    @property
    def unit(self) -> Unit:
        return self.usable.unit if self.usable else "plain"

    @property
    def higher_is_better(self) -> bool | None:
        return self.usable.higher_is_better if self.usable else None

    @property
    def is_share(self) -> bool:
        """Whether a sample is a hit or a miss, so that Wilson's interval is the right one."""
        return bool(self.usable and self.usable.hits)

    @property
    def is_mean_over_classes(self) -> bool:
        return hasattr(self.usable, "each")

    @property
    def has_relative(self) -> bool:
        """Whether it defines performance under corruption relative to clean performance."""
        return hasattr(self.usable, "relative")

    @property
    def resamples(self) -> int:
        return self.usable.resamples if self.usable else RESAMPLES

    @property
    def bootstrap(self) -> str:
        """`percentile` for means over samples, `standard` for other statistics."""
        return "percentile" if hasattr(self.usable, "per_sample") else "standard"

    def counts(self, records: Records) -> Flags:
        """[samples]: which of them count. Raises MetricFault."""
        return self.metric.counts(records)

    def per_sample(self, records: Records) -> Numbers | None:
        """[samples] of a metric that is a mean over samples; None of one that is not. Raises MetricFault."""
        per_sample: Callable[[Records], Numbers] | None = getattr(self.metric, "per_sample", None)
        return None if per_sample is None else per_sample(records)
