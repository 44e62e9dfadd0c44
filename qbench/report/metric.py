"""Metrics as tables show them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qbench.compute.cell import MetricItem
from qbench.registry.create import create
from qbench.report.leaderboard import Unit
from qbench.report.source import Records
from qbench.stats.bootstrap import RESAMPLES, Flags, Numbers
from qbench.tasks.restoration.metrics import MeanOfColumn, column
from qbench.tasks.score import Metric, readable


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
    def metric(self) -> Metric:
        whole: Any = metric_of(self.item)
        metric: Metric = whole.each if self.by_class else whole
        return metric

    @property
    def title(self) -> str:
        """`Top-1 accuracy (%)`; the name for a metric that has no title."""
        return str(getattr(self.metric, "title", self.name))

    @property
    def unit(self) -> Unit:
        unit: Unit = getattr(self.metric, "unit", "plain")
        return unit

    @property
    def higher_is_better(self) -> bool:
        return self.metric.higher_is_better

    @property
    def is_share(self) -> bool:
        """Whether a sample is a hit or a miss, so that Wilson's interval is the right one."""
        return bool(getattr(self.metric, "hits", False))

    @property
    def is_mean_over_classes(self) -> bool:
        return hasattr(self.metric, "each")

    @property
    def has_relative(self) -> bool:
        """Whether it defines performance under corruption relative to clean performance."""
        return hasattr(self.metric, "relative")

    @property
    def resamples(self) -> int:
        return int(getattr(self.metric, "resamples", RESAMPLES))

    @property
    def bootstrap(self) -> str:
        """`percentile` for means over samples, `standard` for other statistics."""
        return "percentile" if hasattr(self.metric, "per_sample") else "standard"

    def counts(self, records: Records) -> Flags:
        """[samples]: which of them count."""
        counts = getattr(self.metric, "counts", readable)
        return np.asarray(counts(records), dtype=np.bool_)

    def per_sample(self, records: Records) -> Numbers | None:
        """[samples] of a metric that is a mean over samples; None of one that is not."""
        per_sample = getattr(self.metric, "per_sample", None)
        return None if per_sample is None else np.asarray(per_sample(records), dtype=np.float64)
