"""Known records give known cells."""

from __future__ import annotations

import numpy as np
import pytest
from fake_run import FakeRun, row, table
from scipy.stats import t as student

from qbench.compute.cell import MetricItem
from qbench.report.build import build, report
from qbench.report.differences import by_training, difference, paired
from qbench.report.grid import Grids
from qbench.stats.intervals import wilson

TEN = np.arange(10)


def hits(count, of=10):
    return (np.arange(of) < count).astype(int)


@pytest.fixture
def simple(tmp_path):
    run = FakeRun(10)
    for condition, direct, better in (("clean", 9, 9), ("jpeg@7", 2, 4), ("jpeg@25", 7, 8), ("jpeg@10", 3, 6)):
        run.cell("direct", condition, hits(direct))
        run.cell("better", condition, hits(better))
    return run.write(tmp_path / "run")


def test_cells_of_a_hand_computed_table(simple):
    (group,) = table(simple, "accuracy-by-quality").groups
    assert [column.heading for column in group.columns] == [
        "clean",
        "jpeg@25",
        "jpeg@10",
        "jpeg@7",
        "average",
        "gain",
        "n",
    ]
    direct, better = row(group, "direct"), row(group, "better")
    assert [direct[name].value for name in ("clean", "jpeg@25", "jpeg@10", "jpeg@7")] == [0.9, 0.7, 0.3, 0.2]
    assert (direct["jpeg@10"].low, direct["jpeg@10"].high) == wilson(3, 10)
    assert direct["average"].value == pytest.approx(0.4)
    assert better["average"].value == pytest.approx(0.6)
    assert better["gain"].value == pytest.approx(0.2)
    assert 0 <= better["gain"].low < 0.2 < better["gain"].high
    assert direct["gain"].value is None
    assert better["n"].value == 10


def test_gain_interval_is_paired(tmp_path):
    """The better method adds the same two samples to a noisy base; unpaired, zero would be inside."""
    run = FakeRun(200)
    base = (np.random.default_rng(0).random(200) < 0.5).astype(int)
    more = base.copy()
    more[np.flatnonzero(base == 0)[:12]] = 1
    run.cell("direct", "jpeg@10", base)
    run.cell("better", "jpeg@10", more)
    gain = row(table(run.write(tmp_path), "accuracy-by-quality").groups[0], "better")["gain"]
    assert gain.value == pytest.approx(0.06)
    assert gain.low > 0.02
    assert gain.high < 0.1


@pytest.mark.parametrize(
    ("counts", "marks"),
    [
        ((40, 60, 80, 50), ["", "second", "best", ""]),
        ((40, 60, 80, 59), ["", "second", "best", "second"]),
        ((40, 79, 80, 50), ["", "best", "best", "second"]),
        ((40, 80, 80, 50), ["", "best", "best", "second"]),
        ((40, 80), ["", "best"]),
        ((40, 41), ["", ""]),
    ],
)
def test_marks_are_for_those_that_are_not_told_apart_from_the_best_and_the_best_of_the_rest(counts, marks, tmp_path):
    run = FakeRun(100)
    for method, count in zip(("direct", "a", "b", "c"), counts, strict=False):
        for condition in ("clean", "jpeg@10"):
            run.cell(method, condition, hits(count, 100))
    run.cell("cheat", "jpeg@10", hits(100, 100), oracle=True)
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    for name in ("clean", "jpeg@10", "average"):
        assert [row(group, r.method)[name].mark for r in group.rows if r.method != "cheat"] == marks
    assert row(group, "cheat")["jpeg@10"].mark == ""


@pytest.mark.parametrize(("samples", "mark"), [(5, ""), (6, "best")])
def test_differences_that_are_all_the_same_say_something_from_six_samples_on(samples, mark, tmp_path):
    """McNemar's mid-p of two comparisons: 2 / 2**6 is below 5%."""
    run = FakeRun(2 * samples)
    run.cell("direct", "jpeg@10", hits(0, 2 * samples), bad=range(samples))
    run.cell("better", "jpeg@10", hits(2 * samples, 2 * samples), bad=range(samples))
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    better = row(group, "better")
    assert better["jpeg@10"].mark == mark
    assert (better["gain"].value, better["gain"].low, better["gain"].high) == (1, None, None)


def test_a_suite_without_clean_pictures_has_no_column_of_them(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", hits(5))
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    assert [column.heading for column in group.columns] == ["jpeg@10", "average", "gain", "n"]
    assert len(group.rows[0].values) == 4


def test_best_over_several_trainings_is_apart_over_them_too(tmp_path):
    """The trainings differ by more than the methods do."""
    run = FakeRun(100)
    for seed in range(3):
        run.cell("direct", "jpeg@10", hits(40, 100), train_seed=seed)
        run.cell("steady", "jpeg@10", hits(55 + seed, 100), train_seed=seed)
        run.cell("wild", "jpeg@10", hits(45 + 30 * seed, 100), train_seed=seed)
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    assert {r.method: row(group, r.method)["jpeg@10"].mark for r in group.rows} == {
        "direct": "", "steady": "", "wild": "",
    }  # fmt: skip


def test_one_method_alone_is_not_best(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", hits(5))
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    assert {value.mark for value in group.rows[0].values} == {""}


def test_bad_samples_leave_both_sides_and_show(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", hits(5), bad=[0])
    run.cell("better", "jpeg@10", hits(6), bad=[9])
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    direct, better = row(group, "direct"), row(group, "better")
    assert (direct["jpeg@10"].value, direct["jpeg@10"].n, direct["jpeg@10"].bad) == (pytest.approx(4 / 9), 9, 1)
    assert better["jpeg@10"].value == pytest.approx(6 / 9)
    assert (better["gain"].value, better["gain"].n) == (pytest.approx(1 / 8), 8)
    assert (better["n"].value, better["n"].high, better["n"].bad) == (9, 10, 1)


def test_unlabelled_samples_do_not_count(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", hits(5), unlabelled=[0, 1])
    run.cell("blind", "jpeg@10", hits(0), unlabelled=range(10))
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    assert row(group, "direct")["jpeg@10"].value == pytest.approx(3 / 8)
    blind = row(group, "blind")
    assert (blind["jpeg@10"].missing, blind["average"].missing, blind["gain"].missing) == ("unlabelled",) * 3


def test_missing_cells_say_why_and_leave_no_average(tmp_path):
    run = FakeRun(10)
    for condition in ("jpeg@25", "jpeg@10"):
        run.cell("direct", condition, hits(5))
    run.cell("half", "jpeg@25", hits(6))
    run.cell("half", "jpeg@10", status="failed", reason="3 of 10 samples are bad")
    for condition in ("jpeg@25", "jpeg@10"):
        run.cell("none", condition, status="n/a", reason="the model has no site 'D1'")
    run.cell("late", "jpeg@25", status="pending")
    shown = table(run.write(tmp_path), "accuracy-by-quality")
    (group,) = shown.groups
    half, none, late = (row(group, name) for name in ("half", "none", "late"))
    assert half["jpeg@25"].value == pytest.approx(0.6)
    assert (half["jpeg@10"].missing, half["average"].value, half["gain"].value) == ("failed", None, None)
    assert shown.notes[none["jpeg@25"].note - 1] == "none on net: the model has no site 'D1'"
    assert none["jpeg@25"].note == none["jpeg@10"].note != half["jpeg@10"].note
    assert (late["jpeg@25"].missing, late["jpeg@10"].missing) == ("pending", "–")


def test_groups_are_models_on_datasets(tmp_path):
    run = FakeRun(100)
    for dataset in ("one", "two"):
        for model, count in (("net", 30), ("wide", 40)):
            run.cell("direct", "jpeg@10", hits(count, 100), model=model, dataset=dataset)
            run.cell("better", "jpeg@10", hits(count + 20, 100), model=model, dataset=dataset)
    groups = table(run.write(tmp_path), "accuracy-by-quality").groups
    assert [(g.of["dataset"], g.of["model"]) for g in groups] == [
        ("one", "net"), ("one", "wide"), ("two", "net"), ("two", "wide"),
    ]  # fmt: skip
    assert [row(g, "better")["jpeg@10"].mark for g in groups] == ["best"] * 4


def test_times_ascend_and_stand_apart_from_quality(tmp_path):
    run = FakeRun(10)
    for condition in ("clean", "rejpeg×10", "rejpeg×2", "jpeg@10"):
        run.cell("direct", condition, hits(5))
    (group,) = table(run.write(tmp_path), "accuracy-by-times").groups
    assert [column.name for column in group.columns] == ["clean", "rejpeg×2", "rejpeg×10", "average", "gain", "n"]


def test_other_conditions_get_a_table_of_their_own(tmp_path):
    run = FakeRun(10)
    for condition in ("clean", "fog", "frost"):
        run.cell("direct", condition, hits(5))
    report = build(run.write(tmp_path))
    assert [t.name for t in report.tables] == [
        "accuracy-by-quality", "accuracy-by-times", "accuracy-by-condition", "efficiency",
    ]  # fmt: skip
    assert [column.name for column in report.tables[2].groups[0].columns][:3] == ["clean", "fog", "frost"]
    assert "No cell" in report.tables[0].empty
    assert "No efficiency" in report.tables[3].empty


def test_several_train_seeds_are_averaged_and_spread(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", hits(5))
    for seed, count in enumerate((6, 8)):
        run.cell("trained", "jpeg@10", hits(count), train_seed=seed)
    (group,) = table(run.write(tmp_path), "accuracy-by-quality").groups
    trained = row(group, "trained")
    assert trained["jpeg@10"].value == pytest.approx(0.7)
    assert trained["jpeg@10"].spread == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert trained["jpeg@10"].seeds == 2
    assert trained["jpeg@10"].low < 0.7 < trained["jpeg@10"].high
    assert trained["gain"].value == pytest.approx(0.2)


def trained_run():
    """Direct, and two methods of three trainings each, which share their seeds; one more has other seeds."""
    run, generator = FakeRun(400), np.random.default_rng(2)
    base = (generator.random(400) < 0.5).astype(int)
    scores = {("direct", 0): base}
    for method, seeds in (("a", (0, 1, 2)), ("b", (0, 1, 2)), ("late", (5, 6))):
        for seed in seeds:
            more = base.copy()
            more[generator.choice(np.flatnonzero(base == 0), generator.integers(20, 120), replace=False)] = 1
            scores[method, seed] = more
    for (method, seed), right in scores.items():
        run.cell(method, "jpeg@10", right, train_seed=seed)
    return run, scores


def test_intervals_of_several_trainings_have_their_variance_in_them():
    """By the sum of two variances and Satterthwaite's degrees of freedom, of an average and of a gain."""
    run, scores = trained_run()
    (group,) = table(report(run.loaded()), "accuracy-by-quality").groups
    base = scores["direct", 0]
    for name, less in (("average", 0 * base), ("gain", base)):
        sides = np.array([scores["a", seed] - less for seed in range(3)])
        of_seeds, of_samples = sides.mean(axis=1).var(ddof=1) / 3, sides.mean(axis=0).var(ddof=1) / 400
        freedom = (of_seeds + of_samples) ** 2 / (of_seeds**2 / 2 + of_samples**2 / 399)
        reach = student.ppf(0.975, freedom) * np.sqrt(of_seeds + of_samples)
        value = row(group, "a")[name]
        assert value.spread == pytest.approx(sides.mean(axis=1).std(ddof=1))
        assert (value.low, value.high) == pytest.approx((value.value - reach, value.value + reach), abs=3e-3)
        assert of_seeds > 2 * of_samples
    expected = 2 * student.sf(row(group, "a")["gain"].value / np.sqrt(of_seeds + of_samples), freedom)
    assert row(group, "a")["gain"].p == pytest.approx(expected, rel=0.05)


def test_trainings_of_the_same_seeds_are_compared_in_pairs_and_others_as_they_are():
    run, scores = trained_run()
    loaded = run.loaded()
    (grid,) = Grids(loaded).of("classification", MetricItem(name="top1"))
    points = {method.label: grid.point(method, grid.conditions[0]) for method in grid.methods()}
    by_seed = {name: np.array([scores[name, seed].mean() for seed in seeds])
               for name, seeds in (("a", (0, 1, 2)), ("b", (0, 1, 2)), ("late", (5, 6)))}  # fmt: skip
    (paired_sets,) = by_training(paired([points["a"]], [points["b"]]))
    assert paired_sets == pytest.approx(by_seed["a"] - by_seed["b"])
    unpaired = by_training(paired([points["a"]], [points["late"]]))
    assert [list(one) for one in unpaired] == [pytest.approx(by_seed["a"]), pytest.approx(by_seed["late"])]
    found = difference(paired([points["a"]], [points["late"]]))
    assert found.value == pytest.approx(by_seed["a"].mean() - by_seed["late"].mean())
    assert found.error > np.sqrt(by_seed["a"].var(ddof=1) / 3 + by_seed["late"].var(ddof=1) / 2)


def test_efficiency_is_relative_to_direct(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", hits(5))
    run.cell("slow", "jpeg@10", hits(5))
    run.cost("slow", 30.0, extra=1000)
    run.cost("direct", 20.0)
    (group,) = table(run.write(tmp_path), "efficiency").groups
    assert [r.method for r in group.rows] == ["direct", "slow"]
    slow = row(group, "slow")
    assert (slow["overhead"].value, slow["parameters_extra"].value) == (1.5, 1000)
    assert (slow["latency"].value, slow["latency"].low, slow["latency"].high) == (30, 27, 36)


@pytest.mark.parametrize("tables", [("accuracy-by-condition",), ("accuracy-by-quality", "accuracy-by-times")])
def test_a_run_of_clean_pictures_alone_has_its_scores_whatever_the_suite_asks_for(tables, tmp_path):
    run = FakeRun(100, tables=tables)
    run.cell("direct", "clean", hits(80, 100))
    run.cell("better", "clean", hits(100, 100))
    (only,) = build(run.write(tmp_path)).tables
    assert only.name == "accuracy-by-condition"
    (group,) = only.groups
    assert [column.name for column in group.columns] == ["clean", "n"]
    assert (row(group, "direct")["clean"].value, row(group, "better")["clean"].value) == (0.8, 1.0)
    assert row(group, "direct")["clean"].seeds == 1
    assert row(group, "better")["clean"].mark == "best"
