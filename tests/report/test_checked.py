"""The boundary to metrics: what they give is checked, and what they are lent stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qbench.report.checked import CheckedMetric, MetricFault

RECORDS = {
    "rank": np.array([0, 1, 0]),
    "error": np.array(["", "", "x"]),
    "tp": np.array([np.array([1, 2]), np.array([3]), np.array([])], dtype=object),
}
ONES = np.ones(3)


class Share:
    """A good one."""

    higher_is_better, range = True, (0.0, 1.0)

    def statistic(self, records: Any, weights: Any) -> Any:
        return weights @ (records["rank"] == 0) / weights.sum(axis=-1)


def made(**changes: Any) -> CheckedMetric:
    return CheckedMetric(type("Mine", (Share,), changes)(), "metric 'mine' (Mine)", is_ours=False)


def giving(value: Any) -> CheckedMetric:
    return made(statistic=lambda self, records, weights: value)


def test_a_good_metric_gives_what_it_gives() -> None:
    metric = made()
    assert metric.statistic(RECORDS, ONES) == pytest.approx(2 / 3)
    assert metric.statistic(RECORDS, np.stack([ONES, [1, 1, 0]])) == pytest.approx([2 / 3, 1 / 2])
    assert metric.counts(RECORDS).tolist() == [True, True, False]
    assert not hasattr(metric, "per_sample")
    assert not hasattr(metric, "each")
    assert np.isnan(giving(np.nan).statistic(RECORDS, ONES))
    assert giving(1).statistic(RECORDS, ONES).dtype == np.float64


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("good", "statistic gave one value of text; expected one number"),
        (None, "statistic gave one value of objects; expected one number"),
        (np.inf, "statistic gave an infinite number"),
        (61.7, "statistic gave 61.7; its `range` is 0 to 1"),
        (-0.01, "statistic gave -0.01; its `range` is 0 to 1"),
        ([0.5, 0.5], r"statistic gave float64 \[2\]; expected one number"),
        ([[1], [1, 2]], "statistic raised: ValueError"),
        (1j, "statistic gave one value of complex128"),
    ],
)
def test_what_is_no_score_is_told(value: Any, said: str) -> None:
    with pytest.raises(MetricFault, match=rf"metric 'mine' \(Mine\): {said}"):
        giving(value).statistic(RECORDS, ONES)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"higher_is_better": "yes"}, "has 'yes' for `higher_is_better`; expected True, False or None"),
        ({"range": (1, 0)}, r"has \(1, 0\) for `range`"),
        ({"range": (0, float("nan"))}, r"has \(0, nan\) for `range`"),
        ({"unit": "percents"}, "has the unit 'percents'; expected one of percent, db, plain"),
        ({"title": 7}, "has 7 for `title`; expected text"),
        ({"hits": 1}, "has 1 for `hits`"),
        ({"resamples": 0}, "asks for 0 resamples; expected 1 to 100,000"),
        ({"title": property(lambda self: 1 / 0)}, "`title` raised: ZeroDivisionError"),
    ],
)
def test_facts_that_are_not_of_their_kind_are_told(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MetricFault, match=said):
        made(**changes)


@pytest.mark.parametrize(
    ("call", "given", "said"),
    [
        ("per_sample", [0, 1], r"per_sample gave int64 \[2\]; expected numbers \[3\]"),
        ("per_sample", [0, 2, 1], "per_sample gave values outside of 0 to 1"),
        ("counts", [1, 1, 0], r"counts gave int64 \[3\]; expected bool \[3\]"),
        ("counts", np.ones(2, bool), r"counts gave bool \[2\]; expected bool \[3\]"),
    ],
)
def test_one_value_a_sample(call: str, given: Any, said: str) -> None:
    metric = made(hits=True, **{call: lambda self, records: given})
    with pytest.raises(MetricFault, match=said):
        getattr(metric, call)(RECORDS)


def test_classes_stand_on_an_axis_of_their_own() -> None:
    class Each(Share):
        def statistic(self, records: Any, weights: Any) -> Any:
            return np.zeros((*weights.shape[:-1], 4))

    assert made(each=Each()).each.statistic(RECORDS, ONES).shape == (4,)
    with pytest.raises(MetricFault, match=r"of each class: statistic gave one .*; expected numbers \[classes\]"):
        made(each=Share()).each.statistic(RECORDS, ONES)


def into(name: str) -> Callable[..., Any]:
    def write(self: Any, records: Any, weights: Any) -> Any:
        (records[name] if name == "rank" else records[name][0] if name == "tp" else weights)[:] = 9

    return write


@pytest.mark.parametrize("name", ["rank", "tp", "weights"])
def test_records_and_weights_cannot_be_written_into(name: str) -> None:
    with pytest.raises(MetricFault, match="read-only"):
        made(statistic=into(name)).statistic(RECORDS, ONES)
    assert RECORDS["rank"].tolist() == [0, 1, 0]
    assert RECORDS["tp"][0].tolist() == [1, 2]
    assert ONES.tolist() == [1, 1, 1]
    RECORDS["rank"][0] = 0  # the caller's own can be
