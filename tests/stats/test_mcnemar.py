from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest

from qbench.stats.mcnemar import Discordant, discordant


@pytest.mark.parametrize(("first", "second"), [(1, 0), (5, 4), (9, 2), (30, 61)])
def test_mid_p_is_the_binomial_test_less_half_of_what_was_observed(first, second):
    expected = binomtest(first, first + second).pvalue - binom.pmf(first, first + second, 0.5)
    assert Discordant(200, first, second).mid_p() == pytest.approx(expected)


def test_mid_p_counts_the_observed_split_half():
    """Fagerland et al. 2013, section 'Examples': airway data, 1 and 7 of 21 discordant: mid-p 0.039."""
    assert Discordant(21, 1, 7).mid_p() == pytest.approx(0.0391, abs=1e-4)
    assert Discordant(9, 3, 3).mid_p() == 1.0
    assert Discordant(9, 0, 0).mid_p() == 1.0


def score(n, b, c, delta):
    """The score statistic with the nuisance parameter found by maximising the likelihood, no closed form."""

    def minus_log_likelihood(q):
        p12, p21, rest = q + delta, q, 1 - 2 * q - delta
        return -sum(k * np.log(max(p, 1e-300)) for k, p in ((b, p12), (c, p21), (n - b - c, rest)) if k)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (b - c - n * delta) / sqrt(n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("n", "b", "c"), [(50, 12, 2), (44, 1, 9), (200, 30, 31), (1000, 3, 0), (30, 0, 0)])
def test_the_ends_are_where_the_score_test_just_does_not_refuse(n, b, c):
    low, high = Discordant(n, b, c).interval()
    z = NormalDist().inv_cdf(0.975)
    assert low < (b - c) / n < high
    assert score(n, b, c, low) == pytest.approx(z, abs=2e-3)
    assert score(n, b, c, high) == pytest.approx(-z, abs=2e-3)


def test_the_interval_turns_with_its_sides_and_ends_at_one():
    low, high = Discordant(50, 12, 2).interval()
    assert Discordant(50, 2, 12).interval() == pytest.approx((-high, -low))
    assert Discordant(20, 20, 0).interval()[1] == 1.0
    assert Discordant(20, 0, 20).interval()[0] == -1.0
    with pytest.raises(ValueError, match="has no interval"):
        Discordant(0, 0, 0).interval()


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        only_first, only_second = generator.multinomial(150, [0.08, 0.04, 0.88])[:2]
        low, high = Discordant(150, int(only_first), int(only_second)).interval()
        held += low <= 0.04 <= high
    assert 0.93 < held / 1000 < 0.97


def test_discordant_counts_samples():
    first, second = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 0], bool)
    assert discordant(first, second) == Discordant(5, 2, 1)
    assert discordant(first, second).difference == pytest.approx(1 / 5)
