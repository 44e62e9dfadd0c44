from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from qbench.stats.intervals import wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (13, 40), (399, 400), (1, 1000)])
def test_wilson_is_scipys(hits, n):
    reference = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_wilson_covers_as_often_as_it_says():
    """Exactly, over all outcomes: the mean coverage over proportions is 95%."""
    n = 60
    bounds = np.array([wilson(k, n) for k in range(n + 1)])
    shares = np.linspace(0.02, 0.98, 97)
    coverage = [binom.pmf(np.arange(n + 1), n, p)[(bounds[:, 0] <= p) & (p <= bounds[:, 1])].sum() for p in shares]
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(hits, n):
    with pytest.raises(ValueError, match="no interval"):
        wilson(hits, n)
