from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from qbench.stats.paired import difference


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
