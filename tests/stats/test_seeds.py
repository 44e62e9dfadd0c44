"""Intervals of differences over trainings: closed forms, limits, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_ind, ttest_rel

from qbench.stats.seeds import over_seeds, pairs, standard_error

STILL = np.zeros(500)


def test_trainings_of_the_same_seed_are_paired() -> None:
    assert pairs([0, 1, 2], [2, 1, 0]) == ((0, 0), (1, 1), (2, 2))
    assert pairs([0, 1, 2], [1, 2, 3]) == ((1, 1), (2, 2))
    assert pairs([0, 1, 2], [0]) == ((0, 0), (1, 0), (2, 0))
    assert pairs([4], [0]) == ((4, 0),)
    assert pairs([0, 1], [2, 3]) == ()


def test_samples_that_never_vary_leave_the_paired_t_interval() -> None:
    first, second = np.array([0.70, 0.74, 0.71]), np.array([0.66, 0.71, 0.69])
    estimate = over_seeds(first - second, STILL + 0.03, samples=10_000)
    expected = ttest_rel(first, second).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.mean == pytest.approx((first - second).mean())
    assert estimate.spread == pytest.approx((first - second).std(ddof=1))


def test_trainings_that_never_vary_leave_the_samples_interval() -> None:
    drawn = np.random.default_rng(0).normal(0.1, 0.02, 20_000)
    estimate = over_seeds(np.full(3, 0.1), drawn, samples=256)
    reach = student.ppf(0.975, 255) * drawn.std(ddof=1) * np.sqrt(256 / 255)
    assert (estimate.low, estimate.high) == pytest.approx((0.1 - reach, 0.1 + reach))


def test_one_pair_has_the_bootstraps_interval() -> None:
    drawn = np.linspace(0, 1, 1001)
    estimate = over_seeds(np.array([0.5]), drawn, samples=100)
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.5, 0.025, 0.975))
    assert estimate.spread is None
    skewed = over_seeds(np.array([0.4]), drawn, samples=100, bootstrap="standard")
    reach = student.ppf(0.975, 99) * drawn.std(ddof=1) * np.sqrt(100 / 99)
    assert (skewed.mean, skewed.low, skewed.high) == pytest.approx((0.4, 0.4 - reach - 0.1, 0.4 + reach))


def test_trainings_that_are_not_paired_have_welch_s_error() -> None:
    first, second = np.array([0.70, 0.74, 0.71]), np.array([0.66, 0.71, 0.69, 0.64, 0.60])
    error, freedom = standard_error([first, second], STILL + 0.03, units=10_000)
    expected = ttest_ind(first, second, equal_var=False)
    assert (first.mean() - second.mean()) / error == pytest.approx(expected.statistic)
    assert freedom == pytest.approx(expected.df)


def test_one_training_has_the_error_of_its_samples() -> None:
    drawn = np.random.default_rng(0).normal(0.1, 0.02, 2000)
    expected = drawn.std(ddof=1) * np.sqrt(50 / 49)
    assert standard_error([np.array([0.1])], drawn, 50) == pytest.approx((expected, 49))
    assert standard_error([np.array([0.1])], np.append(drawn, np.nan), 50) == pytest.approx((expected, 49))
    assert np.isnan(standard_error([np.array([0.1])], drawn, 1)).all()


def test_nothing_varies() -> None:
    estimate = over_seeds(np.array([0.5, 0.5, 0.5]), STILL, samples=100)
    assert (estimate.low, estimate.high) == (0.5, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("training", "sample", "both"), [(0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.06, 0.0, 1.0),
                                                          (0.3, 0.5, 1.0), (1.0, 0.1, 0.1)])  # fmt: skip
def test_three_trainings_hold_the_truth_about_95_times_in_100(training: float, sample: float, both: float) -> None:
    """Differences = training + sample + rest; of 1000 such studies with 3 trainings and 64 samples."""
    generator, held, studies, count = np.random.default_rng(1), 0, 1000, 64
    for _ in range(studies):
        differences = generator.normal(0, training, (3, 1)) + generator.normal(0, sample, (1, count))
        differences = differences + generator.normal(0, both, (3, count))
        mean = differences.mean(axis=0)
        drawn = mean[generator.integers(0, count, (400, count))].mean(axis=1)
        estimate = over_seeds(differences.mean(axis=1), drawn, count)
        held += estimate.low <= 0 <= estimate.high
    assert held / studies > 0.9
