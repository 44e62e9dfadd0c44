"""Points: bootstraps that are drawn together are those that each would have alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from qbench.compute.cell import MetricItem
from qbench.draws import keyed
from qbench.report import point as points
from qbench.report.metric import ShownMetric
from qbench.report.point import Pair, Point, Resampling, Together, point
from qbench.stats import bootstrap
from qbench.stats.bootstrap import RESAMPLES

COUNT = 40


def records(seed: int, unreadable: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    error = np.full(COUNT, "", dtype="<U12")
    error[generator.permutation(COUNT)[:unreadable]] = "cannot be read"
    return {
        "target": generator.integers(0, 9, COUNT), "rank": generator.integers(0, 3, COUNT),
        "nll": generator.exponential(size=COUNT), "error": error,
    }  # fmt: skip


def many(metric: str, together: Together | None, unreadable: int) -> list[Point]:
    shown, made = ShownMetric(MetricItem(name=metric)), []
    for dataset in ("photos", "scenes"):
        for seeds in ((0,), (1,), (2, 3)):
            one = point(shown, Resampling(5, dataset), [records(s, unreadable) for s in seeds], together)
            made.append(one)
            if together is not None:
                one.wait(one.counts)
    return made


def gathered(one: Point, samples: np.ndarray) -> np.ndarray:
    """The mean of each resample, sample by sample as they are drawn."""
    drawn = keyed(5, "bootstrap", 0, one.resampling.dataset).integers(0, COUNT, size=(RESAMPLES, COUNT))
    assert one.values is not None
    return np.array([one.values[row][samples[row]].mean() for row in drawn])


@pytest.mark.parametrize("most", [COUNT, 3 * COUNT, 10**6])
@pytest.mark.parametrize("unreadable", [0, 6])
@pytest.mark.parametrize("metric", ["top1", "nll"])
def test_bootstraps_that_are_drawn_together_are_those_of_each_alone(
    metric: str, unreadable: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "CELLS", most)
    together = Together()
    for one, alone in zip(many(metric, together, unreadable), many(metric, None, unreadable), strict=True):
        assert one.bootstrap() == pytest.approx(gathered(one, one.counts), rel=1e-12)
        assert alone.bootstrap() == pytest.approx(one.bootstrap(), rel=1e-12)
    assert together.waiting == []


def test_a_bootstrap_over_fewer_samples_is_its_own() -> None:
    one = many("nll", Together(), 6)[0]
    fewer = one.counts & (np.arange(COUNT) % 2 == 0)
    assert one.bootstrap(fewer) == pytest.approx(gathered(one, fewer), rel=1e-12)
    assert (one.bootstrap(fewer) != one.bootstrap()).any()


def test_what_pairs_need_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that are unreadable on different samples: one product of matrices for all, and none later."""
    together = Together()
    shown = ShownMetric(MetricItem(name="nll"))
    made = [point(shown, Resampling(5, "photos"), [records(seed, 6)], together) for seed in range(4)]
    pairs = [Pair(one, other) for one, other in combinations(made, 2)]
    for pair in pairs:
        pair.wait()
    calls = []
    monkeypatch.setattr(points, "means", lambda *key: calls.append(key) or bootstrap.means(*key))
    for pair in pairs:
        expected = gathered(pair.one, pair.samples) - gathered(pair.two, pair.samples)
        assert pair.bootstrap() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert len(calls) == 1


def test_points_without_samples_wait_for_nothing() -> None:
    together = Together()
    one = point(ShownMetric(MetricItem(name="nll")), Resampling(5, "d"), [records(0, COUNT)], together)
    one.wait(one.counts)
    together.draw()
    assert one.n == 0


def test_draws_that_are_not_kept_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = np.concatenate(list(bootstrap.resamples(30, 5, "data", 100)))
    monkeypatch.setattr(bootstrap, "_KEEP", 10)
    assert (np.concatenate(list(bootstrap.resamples(30, 5, "data", 100))) == kept).all()
