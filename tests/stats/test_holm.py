from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.stats.holm import holm, letters


def step_down(p, level):
    """Holm's own procedure: which hypotheses are refused."""
    order, refused = np.argsort(p), set()
    for step, index in enumerate(order):
        if p[index] > level / (len(p) - step):
            break
        refused.add(int(index))
    return refused


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_adjusted_values_below_a_level_are_those_that_the_procedure_refuses(p, level):
    adjusted = holm(p)
    clear = [abs(value - level) > 1e-12 for value in adjusted]
    assert {i for i in range(len(p)) if adjusted[i] <= level and clear[i]} == {
        i for i in step_down(p, level) if clear[i]
    }


def test_holm_as_in_a_textbook():
    """Wright, Biometrics 48 (1992), table 1: raw p-values and their adjusted ones by hand."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert np.isnan(holm([0.01, float("nan"), 0.02])).tolist() == [False, True, False]
    assert holm([0.01, float("nan"), 0.02])[0] == pytest.approx(0.02)
    assert holm([]).shape == (0,)


def test_the_family_is_seldom_wrong():
    """32 comparisons without a difference: without Holm most pages show one, with it at most 1 in 20."""
    generator = np.random.default_rng(0)
    p = generator.uniform(size=(2000, 32))
    assert np.mean((p <= 0.05).any(axis=1)) > 0.7
    assert np.mean([(holm(row) <= 0.05).any() for row in p]) < 0.065


@given(st.integers(0, 7), st.data())
def test_members_share_a_letter_exactly_where_they_are_not_told_apart(count, data):
    pairs = list(combinations(range(count), 2))
    apart = {pair for pair in pairs if data.draw(st.booleans())}
    names = letters(count, lambda one, other: (one, other) in apart)
    assert len(names) == count
    for one, other in pairs:
        assert bool(set(names[one]) & set(names[other])) == ((one, other) not in apart)


def test_letters_of_a_chain():
    assert letters(3, lambda one, other: (one, other) == (0, 2)) == ["a", "ab", "b"]
    assert letters(2, lambda one, other: False) == ["a", "a"]
    assert letters(2, lambda one, other: True) == ["a", "b"]
    assert letters(30, lambda one, other: True)[25:28] == ["z", "a1", "b1"]
