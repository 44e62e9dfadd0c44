"""Letters, marks and stars: planted differences, an independent Holm, and how often nulls are called differences."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from fake_run import FakeRun, row, table
from rich.console import Console
from scipy.stats import binom

from qbench.report.build import report
from qbench.report.leaderboard import Column, Group, Report, Row, Table, Value
from qbench.report.marks import marked, ranked, starred
from qbench.report.render import RENDERERS
from qbench.report.render.terminal import show

HEADS = (Column("average", "average", "percent", True, with_letters=True), Column("n", "n", "count"))


def group(scores, oracle=()):
    rows = [Row(str(i), i in oracle, (Value(score), Value(100.0))) for i, score in enumerate(scores)]
    return Group({"model": "net"}, HEADS, tuple(rows))


def of(shown, what):
    return [getattr(row.values[0], what) for row in shown.rows]


def apart_from(gap, scores):
    """Scores that lie this far apart are surely different."""
    return lambda index, one, other: 1e-9 if abs(scores[one] - scores[other]) > gap else 0.9


@pytest.mark.parametrize(
    ("scores", "letters", "marks"),
    [
        ((4, 6, 8, 5), ["d", "b", "a", "c"], ["", "second", "best", ""]),
        ((4, 7.5, 8, 7.4), ["b", "a", "a", "a"], ["", "best", "best", "best"]),
        ((4, 7.5, 8, 3.5), ["b", "a", "a", "b"], ["", "best", "best", ""]),
        ((3, 5.8, 8, 5), ["c", "b", "a", "b"], ["", "second", "best", "second"]),
        ((7, 7.8, 8.6, 6.2), ["bc", "ab", "a", "c"], ["", "best", "best", ""]),
        ((8, 8.1, 8.2, 8), ["a", "a", "a", "a"], ["", "", "", ""]),
        ((4, 8), ["b", "a"], ["", "best"]),
    ],
)
def test_best_and_second_are_groups_that_are_not_told_apart(scores, letters, marks):
    (shown,) = ranked([(group(scores), apart_from(0.9, scores))])
    assert of(shown, "letters") == letters
    assert of(shown, "mark") == marks
    assert {value.letters + value.mark for row in shown.rows for value in row.values[1:]} == {""}


def test_oracles_take_no_part_and_one_method_alone_is_nothing():
    scores = (4, 8, 9)
    (shown,) = ranked([(group(scores, oracle=[2]), apart_from(0.9, scores))])
    assert (of(shown, "letters"), of(shown, "mark")) == (["b", "a", ""], ["", "best", ""])
    (shown,) = ranked([(group(scores, oracle=[1, 2]), apart_from(0.9, scores))])
    assert (of(shown, "letters"), of(shown, "mark")) == (["", "", ""], ["", "", ""])


def test_what_nothing_is_known_of_has_no_letters():
    (shown,) = ranked([(group((4, 8)), lambda *_: float("nan"))])
    assert (of(shown, "letters"), of(shown, "mark")) == (["", ""], ["", ""])


def test_lower_is_better_is_ranked_from_below():
    heads = (Column("average", "average", "plain", False), HEADS[1])
    scores = (4, 8, 9)
    low = Group({}, heads, group(scores).rows)
    (shown,) = ranked([(low, apart_from(0.9, scores))])
    assert (of(shown, "letters"), of(shown, "mark")) == (["a", "b", "c"], ["best", "second", ""])


def test_all_pairs_of_a_table_are_one_family():
    """0.01 is enough for one pair, not for four groups of three."""
    one = group((4, 8))
    assert of(ranked([(one, lambda *_: 0.01)])[0], "mark") == ["", "best"]
    many = ranked([(group((4, 8, 9)), lambda *_: 0.01)] * 4)
    assert {mark for shown in many for mark in of(shown, "mark")} == {""}


def test_costs_are_what_they_are():
    heads = (Column("latency", "latency", "ms", False),)
    rows = [Row(str(i), False, (Value(ms),), is_ranked=i > 0) for i, ms in enumerate((1.0, 2.0, 2.001, 3.0))]
    assert [row.values[0].mark for row in marked(rows, heads)] == ["", "best", "best", "second"]


def page(p, gains="gains"):
    rows = tuple(Row(str(i), False, (Value(0.1, p=one),)) for i, one in enumerate(p))
    return Table("a table", "A table", (Group({}, (Column("gain", "gain", "points"),), rows),), gains=gains)


def test_gains_of_a_page_are_one_family_whatever_their_table():
    first, second, control = starred([page([0.03, 0.9]), page([0.012, None, 0.013]), page([0.04], "others")])
    holds = [[row.values[0].holds for row in table.groups[0].rows] for table in (first, second, control)]
    assert holds == [[False, False], [True, False, True], [True]]
    assert "all 4 gains of this page" in first.remarks[-1]
    assert "p at most 0.05" in control.remarks[-1]
    (alone,) = starred([page([None])])
    assert not alone.remarks


def hits_of(generator, count, rates):
    """Correlated hits: easy samples are easy for all."""
    ease = generator.normal(size=count)
    return [(ease + generator.normal(size=count) > -rate).astype(int) for rate in rates]


def drawn_run(generator, samples=120, better=0.0):
    run = FakeRun(samples, tables=("accuracy-by-quality",))
    for model in ("net", "wide"):
        for condition in ("jpeg@25", "jpeg@10"):
            sides = hits_of(generator, samples, [0.3, 0.3, 0.3, 0.3 + better])
            for method, hits in zip(("direct", "a", "b", "c"), sides, strict=True):
                run.cell(method, condition, hits, model=model)
    return run


def test_a_planted_gain_has_a_star_and_stands_first():
    shown = table(report(drawn_run(np.random.default_rng(0), 400, better=1.0).loaded()), "accuracy-by-quality")
    for of_model in shown.groups:
        assert {r.method: row(of_model, r.method)["gain"].holds for r in of_model.rows} == {
            "direct": False, "a": False, "b": False, "c": True,
        }  # fmt: skip
        average = {r.method: row(of_model, r.method)["average"] for r in of_model.rows}
        assert [(average[m].letters, average[m].mark) for m in ("c", "a")] == [("a", "best"), ("b", "")]
        assert {row(of_model, m)["gain"].letters for m in average} == {""}


@pytest.mark.slow
def test_a_page_without_differences_shows_one_in_at_most_about_5_of_100():
    """200 pages of 6 gains and 72 pairs; alone, each gain would be called a difference as often."""
    generator, starred_pages, lettered_pages, alone = np.random.default_rng(1), 0, 0, 0
    for _ in range(200):
        shown = table(report(drawn_run(generator).loaded()), "accuracy-by-quality")
        values = [value for g in shown.groups for r in g.rows for value in r.values]
        starred_pages += any(value.holds for value in values)
        lettered_pages += any(value.letters not in {"", "a"} for value in values)
        alone += any(value.p is not None and value.p <= 0.05 for value in values)
    assert alone > 30
    assert starred_pages <= 17
    assert lettered_pages <= 17


def test_p_values_and_letters_are_those_of_the_hits():
    """By a McNemar test and a Holm of their own."""
    generator = np.random.default_rng(4)
    run = FakeRun(300, tables=("accuracy-by-quality",))
    sides = hits_of(generator, 300, [0.0, 0.4, 0.7, 0.75])
    for method, hits in zip("abcd", sides, strict=True):
        run.cell(method, "jpeg@10", hits)

    def mid_p(one, other):
        first, second = int((one > other).sum()), int((one < other).sum())
        few, both = min(first, second), first + second
        return min(1.0, 2 * binom.cdf(few, both, 0.5) - binom.pmf(few, both, 0.5))

    pairs = list(combinations(range(4), 2))
    raw = sorted((mid_p(sides[i], sides[j]), (i, j)) for i, j in pairs for _ in ("jpeg@10", "average"))
    apart = set()
    for step, (p, pair) in enumerate(raw):
        if p > 0.05 / (len(raw) - step):
            break
        apart.add(pair)
    assert 0 < len(apart) < 6
    (shown,) = table(report(run.loaded()), "accuracy-by-quality").groups
    for column in ("jpeg@10", "average"):
        letters = [row(shown, method)[column].letters for method in "abcd"]
        assert {pair for pair in pairs if not set(letters[pair[0]]) & set(letters[pair[1]])} == apart


def rendered(form, one):
    return RENDERERS[form].render(Report("fake", "", 1, "", (), (one,)))


def test_every_format_shows_stars_and_letters():
    heads = (HEADS[0], Column("gain", "gain", "points"))
    values = Value(0.5, 0.4, 0.6, mark="best", letters="ab"), Value(0.031, 0.01, 0.05, spread=0.002, p=1e-9, holds=True)
    one = Table(
        "a table", "A table", (Group({"model": "net"}, heads, (Row("m", False, values),)),), remarks=("*: holds.",)
    )
    assert "**50.0** <sup>ab</sup> [40.0, 60.0]" in rendered("md", one)
    assert r"+3.1\* ± 0.2 [+1.0, +5.0]" in rendered("md", one)
    assert r"\*: holds." in rendered("md", one)
    assert r"\textbf{50.0}$^{\mathrm{ab}}$" in rendered("tex", one)
    assert r"+3.1{*} $\pm$ 0.2" in rendered("tex", one)
    out = io.StringIO()
    show(Report("fake", "", 1, "", (), (one,)), Console(file=out, width=120))
    text = out.getvalue()
    assert "50.0 ab" in text
    assert "+3.1* ± 0.2" in text
    assert ",best,ab,,," in rendered("csv", one)
    assert ",,,1e-09,True," in rendered("csv", one)
    assert '"letters": "ab"' in rendered("json", one)
    assert '"holds": true' in rendered("json", one)
