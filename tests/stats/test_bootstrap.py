from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, chi2, t, ttest_1samp

from qbench.stats import bootstrap as ours
from qbench.stats.bootstrap import Groups, column_means, means, percentile, resamples, standard


def every(samples, seed=0, label="data", count=2000):
    return np.concatenate(list(resamples(samples, seed, label, count)))


def test_resamples_are_keyed_multinomial_draws():
    drawn = every(50)
    assert drawn.shape == (2000, 50)
    assert (drawn.sum(axis=1) == 50).all()
    assert (drawn == every(50)).all()
    assert (drawn != every(50, seed=1)).any()
    assert (drawn != every(50, label="other")).any()
    totals = drawn.sum(axis=0)
    assert chi2.sf(((totals - 2000) ** 2 / 2000).sum(), 49) > 1e-4
    assert drawn.var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_large_sets_come_in_bounded_blocks(monkeypatch):
    whole = every(30, seed=5, count=100)
    monkeypatch.setattr(ours, "_BLOCK", 300)
    blocks = list(resamples(30, 5, "data", 100))
    assert [len(block) for block in blocks] == [10] * 10
    assert (np.concatenate(blocks) == whole).all()


def test_column_means_are_those_of_the_drawn_samples():
    generator = np.random.default_rng(0)
    values, counts = generator.normal(size=(8, 3)), generator.random((8, 3)) < 0.7
    values[~counts] = np.nan
    weights = generator.integers(0, 4, (5, 8)).astype(float)
    by_resample = column_means(values, counts, weights)
    for row in range(5):
        for column in range(3):
            drawn = [
                v
                for v, c, w in zip(values[:, column], counts[:, column], weights[row], strict=True)
                if c
                for _ in range(int(w))
            ]
            assert by_resample[row, column] == pytest.approx(np.mean(drawn) if drawn else np.nan, nan_ok=True)


def test_percentile_interval_agrees_with_scipy():
    values = np.random.default_rng(3).exponential(size=(300, 1))
    interval = percentile(means(values, np.ones_like(values, dtype=bool), 0, "data")[:, 0])
    reference = bootstrap((values[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    assert interval == pytest.approx((reference.low, reference.high), abs=0.012)


def test_percentile_leaves_out_resamples_without_samples():
    assert percentile(np.array([np.nan, 1.0, 2.0, 3.0]), 0.5) == pytest.approx((1.5, 2.5))
    assert np.isnan(percentile(np.array([np.nan]))).all()


def test_the_standard_interval_of_a_mean_is_student_s():
    values = np.random.default_rng(3).exponential(size=16)
    drawn = means(values[:, None], np.ones((16, 1), dtype=bool), 0, "data", 20_000)[:, 0]
    low, high = standard(drawn, float(values.mean()), 16)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_the_standard_interval_holds_the_statistic_inside_and_reaches_to_where_the_bias_points():
    reach = t.ppf(0.75, 3) * np.sqrt(4 / 3)
    assert standard(np.array([1.0, 2.0, 3.0]), 10.0, 4, 0.5) == pytest.approx((10 - reach, 10 + reach + 8))
    assert standard(np.array([11.0, 12.0, 13.0]), 10.0, 4, 0.5) == pytest.approx((10 - reach - 2, 10 + reach))


def test_there_is_no_standard_interval_of_one_sample_or_without_any_change():
    assert np.isnan(standard(np.array([1.0, 2.0]), 1.5, 1)).all()
    assert np.isnan(standard(np.array([0.5, 0.5, np.nan]), 0.5, 16)).all()


def test_the_standard_interval_covers_what_resamples_move_to_one_side():
    """The number of different values that a sample of 40 out of 30 shows: resamples show fewer."""
    rng = np.random.default_rng(0)
    expected = 30 * (1 - (1 - 1 / 30) ** 40)
    held = {"standard": 0, "percentile": 0}
    for _ in range(200):
        sample = rng.integers(0, 30, 40)
        drawn = np.array([len(set(rng.choice(sample, 40))) for _ in range(200)], float)
        whole = len(set(sample))
        for name, (low, high) in (("standard", standard(drawn, whole, 40)), ("percentile", percentile(drawn))):
            held[name] += low <= expected <= high
            assert name == "percentile" or low < whole < high
    assert held["percentile"] < 40
    assert held["standard"] > 190


@pytest.mark.parametrize("count", [8, 16])
def test_intervals_of_few_samples_hold_the_truth_nearly_as_often_as_they_say(count):
    """A ratio of sums, as IoU is, and a mean of shares: 400 studies of few samples each."""
    rng = np.random.default_rng(count)
    held = {"ratio": 0, "mean": 0}
    for _ in range(400):
        below = rng.gamma(2, size=count)
        above = below * rng.beta(3, 2, size=count)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=400).astype(float)
        low, high = standard((weights @ above) / (weights @ below), above.sum() / below.sum(), count)
        held["ratio"] += low <= 0.6 <= high
        low, high = percentile(weights @ (above / below) / count)
        held["mean"] += low <= 0.6 <= high
    assert held["ratio"] / 400 == pytest.approx(0.93, abs=0.03)
    assert held["mean"] / 400 > 0.86


def test_samples_of_a_group_are_drawn_together():
    groups = Groups(np.array([0, 2, 0, 1, 2, 2]))
    assert (groups.count, groups.among(np.array([1, 0, 1, 0, 1, 0], bool))) == (3, 2)
    drawn = np.concatenate(list(resamples(6, 0, "data", 500, groups)))
    assert (drawn[:, [0, 1, 3]] == every(3, count=500)).all()
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, [1]] == drawn[:, [4, 5]]).all()


def test_groups_of_one_sample_are_the_samples():
    alone = np.concatenate(list(resamples(20, 0, "data", 100, Groups(np.arange(20)))))
    assert (alone == every(20, count=100)).all()


def test_groups_that_are_drawn_in_blocks_are_the_same(monkeypatch):
    groups = Groups(np.arange(60) % 7)
    whole = np.concatenate(list(resamples(60, 0, "data", 100, groups)))
    monkeypatch.setattr(ours, "_BLOCK", 300)
    assert (np.concatenate(list(resamples(60, 0, "data", 100, groups))) == whole).all()
    monkeypatch.setattr(ours, "_KEEP", 10)
    assert (np.concatenate(list(resamples(60, 0, "data", 100, groups))) == whole).all()


def test_the_error_of_groups_is_that_of_their_means():
    """Equal groups whose samples are alike: Student's interval over the groups, not over the samples."""
    generator = np.random.default_rng(3)
    of_groups = generator.normal(size=14)
    values, groups = np.repeat(of_groups, 30), Groups(np.repeat(np.arange(14), 30))
    drawn = means(values[:, None], np.ones((420, 1), bool), 0, "data", 20_000, groups)[:, 0]
    expected = ttest_1samp(of_groups, 0).confidence_interval(0.95)
    assert standard(drawn, float(values.mean()), 14) == pytest.approx((expected.low, expected.high), abs=0.02)
