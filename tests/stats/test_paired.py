from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm, ttest_rel

from qbench.stats.bootstrap import means
from qbench.stats.mcnemar import Discordant
from qbench.stats.paired import PairedDifference, difference
from qbench.stats.seeds import standard_error


def side(hits, counts=None):
    hits = np.asarray(hits, dtype=float)
    return hits, np.ones_like(hits, dtype=bool) if counts is None else np.asarray(counts, dtype=bool)


def test_a_shared_shift_has_no_width():
    """Paired: where the first side is always one better, resampling changes nothing."""
    base = np.random.default_rng(0).random((40, 3))
    estimate = difference(side(base + 1), side(base), 0, "data")
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((1, 1, 1))
    assert estimate.n == (40, 40, 40)


def test_width_is_the_paired_one():
    """For one cell the percentile interval is near mean ± 1.96 standard errors of the differences."""
    generator = np.random.default_rng(1)
    common = generator.normal(0, 10, size=(500, 1))
    first, second = common + generator.normal(0.2, 1, (500, 1)), common + generator.normal(0, 1, (500, 1))
    estimate, gap = difference(side(first), side(second), 0, "data"), (first - second)[:, 0]
    reach = 1.96 * gap.std() / 500**0.5
    assert estimate.mean == pytest.approx(gap.mean())
    assert (estimate.low, estimate.high) == pytest.approx((gap.mean() - reach, gap.mean() + reach), abs=0.15 * reach)


def test_cells_of_an_average_are_resampled_together():
    """Three copies of a cell are as wide as one: clusters are samples, not (sample, cell) pairs."""
    first, second = np.random.default_rng(2).integers(0, 2, (2, 100, 1))
    one = difference(side(first), side(second), 0, "data")
    three = difference(side(np.repeat(first, 3, axis=1)), side(np.repeat(second, 3, axis=1)), 0, "data")
    assert (three.low, three.high) == pytest.approx((one.low, one.high))


def test_a_sample_bad_on_one_side_drops_out_of_both():
    estimate = difference(
        side([[1], [1], [0], [1]], [[1], [1], [1], [0]]), side([[0], [1], [0], [0]], [[1], [0], [1], [1]]), 0, "d"
    )
    assert estimate.mean == pytest.approx((1 + 0) / 2)
    assert estimate.n == (2,)


def test_nothing_to_compare_is_nan():
    estimate = difference(side([[1.0]], [[1]]), side([[1.0]], [[0]]), 0, "d")
    assert np.isnan([estimate.mean, estimate.low, estimate.high]).all()
    assert estimate.n == (0,)


@pytest.mark.slow
def test_interval_covers_the_true_gain():
    """Hits of two methods over four correlated conditions: 95% intervals hold the truth about 95% of the time."""
    generator, held, trials = np.random.default_rng(4), 0, 400
    levels = np.array([0.8, 0.7, 0.6, 0.5])
    for trial in range(trials):
        ability = generator.normal(size=(150, 1))
        noise = generator.normal(size=(2, 150, 4))
        margin = (ability + noise) / 2**0.5
        second = margin[0] < norm.ppf(levels)
        first = margin[1] < norm.ppf(levels + 0.05)
        estimate = difference(side(first), side(second), trial, "data", 500)
        held += estimate.low <= 0.05 <= estimate.high
    assert 0.91 <= held / trials <= 0.98


def test_p_and_interval_are_the_paired_t_test_s():
    generator = np.random.default_rng(2)
    first, second = generator.normal(0.3, 1, 40), generator.normal(0, 1, 40)
    drawn = means((first - second)[:, None], np.ones((40, 1), bool), 0, "data", 50_000)[:, 0]
    error, freedom = standard_error([np.array([0.0])], drawn, 40)
    found = PairedDifference(float((first - second).mean()), error, freedom, 40)
    expected = ttest_rel(first, second)
    assert found.p() == pytest.approx(expected.pvalue, rel=0.03)
    wanted = expected.confidence_interval(0.9)
    assert found.interval(0.9) == pytest.approx((wanted.low, wanted.high), abs=0.005)


def test_p_is_not_limited_by_the_number_of_resamples():
    assert PairedDifference(0.5, 0.01, 400, 401).p() < 1e-100


def test_hits_have_mcnemar_s_and_tango_s():
    counts = Discordant(200, 30, 12)
    found = PairedDifference(counts.difference, 0.03, 199, 200, counts)
    assert found.p() == counts.mid_p()
    assert found.interval(0.9) == counts.interval(0.9)


@pytest.mark.parametrize("units", [1, 5, 6, 30])
def test_what_differs_by_as_much_everywhere_has_the_sign_test_s_p(units):
    assert PairedDifference(-0.1, 0.0, 1, units).p() == pytest.approx(binomtest(0, units).pvalue)
    assert PairedDifference(0.0, 0.0, 1, units).p() == 1.0


def test_an_error_that_is_not_known_leaves_nothing_to_say():
    nan = float("nan")
    for found in (PairedDifference(0.1, nan, nan, 2), PairedDifference(0.1, nan, nan, 2, Discordant(9, 5, 0))):
        assert np.isnan(found.p())
        assert np.isnan(found.interval()).all()


def test_a_turned_difference_says_the_same_of_the_other_side():
    for found in (
        PairedDifference(0.09, 0.03, 199, 200),
        PairedDifference(0.09, 0.03, 199, 200, Discordant(200, 30, 12)),
    ):
        low, high = found.interval()
        assert found.turned().interval() == pytest.approx((-high, -low))
        assert found.turned().p() == found.p()
        assert found.turned().turned() == found


def test_two_sides_that_are_the_same_differ_in_nothing():
    none = PairedDifference.none(40)
    assert (none.value, none.p(), none.interval()) == (0, 1, (0, 0))
