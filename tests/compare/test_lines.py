"""Comparisons of runs of given hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel

from qbench.compare.lines import Line, lines
from qbench.compare.sides import sides
from qbench.errors import QbenchError
from qbench.report.source import Loaded, load
from qbench.stats.holm import holm
from tests.report.fake_run import FakeRun

N = 400
CONDITIONS = ("clean", "jpeg@25", "jpeg@10")
ACCURACY = {"direct": 0.6, "afd": 0.7, "arcnn": 0.62}


def hits(accuracy: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(N) < accuracy).astype(int)


HITS = {
    (method, condition): hits(accuracy, 100 * row + column)
    for row, (method, accuracy) in enumerate(ACCURACY.items())
    for column, condition in enumerate(CONDITIONS)
}


def fake(methods: Sequence[str] = tuple(ACCURACY), conditions: Sequence[str] = CONDITIONS, **more: object) -> FakeRun:
    run = FakeRun(N)
    for method in methods:
        for condition in conditions:
            run.cell(method, condition, HITS[method, condition], **more)
    return run


def by_condition(found: Sequence[Line], method: str = "") -> dict[str, Line]:
    return {line.condition: line for line in found if method in ("", line.spot.method)}


def test_methods_of_a_run_are_compared_pair_by_pair() -> None:
    found = lines(sides({"run": fake().loaded()}, methods=("direct", "afd", "arcnn")))
    assert [(line.reference, line.other) for line in found[::4]] == [("direct", "afd"), ("direct", "arcnn")]
    of_afd = by_condition(found[:4])
    assert list(of_afd) == [*CONDITIONS, "average"]
    for condition in CONDITIONS:
        one, two, line = HITS["direct", condition], HITS["afd", condition], of_afd[condition]
        lost, won = int(((one == 1) & (two == 0)).sum()), int(((one == 0) & (two == 1)).sum())
        assert line.before == pytest.approx(one.mean())
        assert line.score == pytest.approx(two.mean())
        assert line.difference == pytest.approx((won - lost) / N)
        assert (len(line.flips[0].lost), len(line.flips[0].won), line.n) == (lost, won, N)
        exact = binomtest(min(lost, won), lost + won).pvalue
        assert line.p is not None
        assert 0.5 * exact < line.p < exact, "mid-p lies below the exact test"
    degraded = [HITS["afd", c] - HITS["direct", c] for c in CONDITIONS[1:]]
    mean = np.mean(degraded, axis=0)
    assert of_afd["average"].difference == pytest.approx(mean.mean())
    expected = ttest_rel(np.mean([HITS["afd", c] for c in CONDITIONS[1:]], axis=0),
                         np.mean([HITS["direct", c] for c in CONDITIONS[1:]], axis=0))  # fmt: skip
    interval = expected.confidence_interval()
    line = of_afd["average"]
    assert line.low == pytest.approx(interval.low, abs=0.1 * (interval.high - interval.low))
    assert line.high == pytest.approx(interval.high, abs=0.1 * (interval.high - interval.low))
    assert [line.adjusted for line in found] == pytest.approx(list(holm([line.p or 0.0 for line in found])))


def test_runs_are_compared_where_their_names_agree() -> None:
    here, there = fake().loaded(), fake(("direct", "afd"), ("clean", "jpeg@25")).loaded()
    found = lines(sides({"a": here, "b": there}))
    afd = by_condition(found, "afd")
    assert (afd["clean"].difference, afd["clean"].p, afd["clean"].adjusted) == (0.0, 1.0, 1.0)
    assert (afd["average"].difference, afd["average"].remark) == (0.0, "over 1 of 2 conditions")
    assert (afd["jpeg@10"].is_compared, afd["jpeg@10"].why) == (False, "b has no such condition")
    assert by_condition(found, "arcnn")["average"].why == "b has no such score"
    back = by_condition(lines(sides({"b": there, "a": here})), "afd")
    assert back["jpeg@10"].why == "b has no such condition"


def test_a_method_of_one_run_meets_another_of_a_second_run() -> None:
    runs = {"a": fake(("direct", "afd")).loaded(), "b": fake(("direct", "arcnn")).loaded()}
    found = by_condition(lines(sides(runs, methods=("afd", "arcnn"))))
    assert found["clean"].reference == "a / afd"
    assert found["clean"].difference == pytest.approx(HITS["arcnn", "clean"].mean() - HITS["afd", "clean"].mean())
    alone = lines(sides(runs, methods=("direct",)))
    assert {(line.spot.method, line.difference) for line in alone} == {("direct", 0.0)}


def test_models_of_a_run() -> None:
    run = fake(("direct",))
    for condition in CONDITIONS:
        run.cell("direct", condition, HITS["afd", condition], model="other")
    found = by_condition(lines(sides({"run": run.loaded()}, models=("net", "other"))))
    assert found["clean"].difference == pytest.approx(HITS["afd", "clean"].mean() - HITS["direct", "clean"].mean())
    assert (found["clean"].spot.model, found["clean"].spot.method) == ("", "direct")


def with_whole(run: Loaded, name: str) -> Loaded:
    (source,) = run.info.sources
    whole = source.whole.model_copy(update={"name": name})
    sources = (source.model_copy(update={"whole": whole}),)
    return replace(run, info=run.info.model_copy(update={"sources": sources}))


def with_params(run: Loaded) -> Loaded:
    cells = []
    for result in run.info.cells:
        cell = result.cell
        if cell.condition.label == "jpeg@10":
            condition = cell.condition.model_copy(update={"params": {"quality": 11}})
            cell = cell.model_copy(update={"condition": condition})
        cells.append(result.model_copy(update={"cell": cell}))
    return replace(run, info=run.info.model_copy(update={"cells": tuple(cells)}))


def test_what_cannot_be_compared_says_why() -> None:
    run = fake(("direct",)).loaded()
    others = lines(sides({"a": run, "b": with_whole(run, "b")}))
    assert [(line.why, line.p) for line in others] == [("the samples are others (their ids or their contents)", None)]
    seed = replace(run, info=run.info.model_copy(update={"seed": 8}))
    assert "drawn from the seed 7, and on the other side from 8" in lines(sides({"a": run, "b": seed}))[0].why
    found = by_condition(lines(sides({"a": run, "b": with_params(run)})))
    assert found["jpeg@10"].why == "the condition is jpeg {}, and on the other side {'quality': 11}"
    assert found["average"].remark == "over 1 of 2 conditions"
    failed = FakeRun(N)
    failed.cell("direct", "clean", HITS["direct", "clean"])
    failed.cell("direct", "jpeg@25", status="failed", reason="no memory")
    assert by_condition(lines(sides({"a": run, "b": failed.loaded()})))["jpeg@25"].why == "b: failed (no memory)"
    records = {place: {**of, "id": of["id"][::-1]} for place, of in run.records.items()}
    swapped = lines(sides({"a": run, "b": replace(run, records=records)}))
    assert {line.why for line in swapped} == {"the records hold other ids, or in another order"}


def test_only_samples_that_count_on_both_sides_count() -> None:
    run, bad = fake(("direct",)).loaded(), fake(("direct",), bad=[0, 5]).loaded()
    line = by_condition(lines(sides({"a": run, "b": bad})))["clean"]
    assert (line.n, line.difference, line.flips[0].lost, line.flips[0].won) == (N - 2, 0.0, (), ())


@pytest.mark.parametrize(
    ("runs", "models", "methods", "said"),
    [
        (1, (), (), "two sides or more"),
        (1, (), ("afd",), "two sides or more"),
        (2, (), ("direct", "afd", "arcnn"), "run: 2 for 3 sides"),
        (1, (), ("direct", "adf"), "no method 'adf' (did you mean 'afd'?); there are: direct, afd, arcnn"),
        (1, ("net", "nets"), (), "no model 'nets' (did you mean 'net'?)"),
    ],
)
def test_sides_that_do_not_fit_are_one_error(
    runs: int, models: tuple[str, ...], methods: tuple[str, ...], said: str
) -> None:
    loaded = {f"run{number}": fake().loaded() for number in range(runs)}
    with pytest.raises(QbenchError) as error:
        sides(loaded, models, methods)
    assert said in str(error.value)


def test_committed_exports_meet_themselves() -> None:
    from tests.conftest import ROOT

    run = load(Path(ROOT) / "reports" / "detection", whole=True)
    found = lines(sides({"a": run, "b": run}))
    assert {line.difference for line in found} == {0.0}


def test_one_of_several_trainings_that_is_alike_makes_no_sides_alike() -> None:
    """The only training of a side meets each of the other's."""
    one, three = FakeRun(N), FakeRun(N)
    for condition in CONDITIONS:
        one.cell("afd", condition, HITS["afd", condition])
        for seed, method in enumerate(ACCURACY):
            three.cell("afd", condition, HITS["afd" if seed == 0 else method, condition], train_seed=seed)
    line = by_condition(lines(sides({"a": one.loaded(), "b": three.loaded()})))["average"]
    means = [np.mean([HITS[m, c].mean() for c in CONDITIONS[1:]]) for m in ("afd", "afd", "arcnn")]
    assert line.difference == pytest.approx(np.mean(means) - means[0])
    assert line.low is not None
    assert line.high is not None
    assert line.low < line.difference < line.high
