"""Checks of runs against baselines, on runs of given hits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from qbench.gate import show
from qbench.gate.check import Checked, check
from qbench.gate.rules import Accepted, Limits, Rule, Rules
from qbench.report.source import load
from tests.report.fake_run import FakeRun

N = 2000
TODAY = date(2026, 12, 1)
CONDITIONS = ("clean", "jpeg@25", "jpeg@10")


def hits(accuracy: float, seed: int) -> np.ndarray:
    """So many right, spread by a seed."""
    order = np.random.default_rng(seed).permutation(N)
    return (order < round(accuracy * N)).astype(int)


def flipped(before: np.ndarray, lost: int, won: int, seed: int = 0) -> np.ndarray:
    """The same hits, of which so many became misses and so many misses became hits."""
    generator, after = np.random.default_rng(seed), before.copy()
    after[generator.choice(np.flatnonzero(before == 1), lost, replace=False)] = 0
    after[generator.choice(np.flatnonzero(before == 0), won, replace=False)] = 1
    return after


BASE = {
    (method, condition): hits(accuracy - 0.1 * place, 10 * place + number)
    for number, (method, accuracy) in enumerate([("direct", 0.8), ("afd", 0.85)])
    for place, condition in enumerate(CONDITIONS)
}


def run(folder: Path, change: Callable[[str, str, np.ndarray], np.ndarray] | None = None, **more: object) -> Path:
    fake = FakeRun(N)
    for (method, condition), right in BASE.items():
        fake.cell(method, condition, right if change is None else change(method, condition, right), **more)
    return fake.write(folder)


def checked(tmp_path: Path, change: Callable[..., np.ndarray] | None = None, rules: Rules = Rules()) -> Checked:  # noqa: B008
    before = run(tmp_path / "before")
    now = run(tmp_path / "now", change)
    return check(load(before, whole=True), load(now, whole=True), rules, TODAY)


def lose(count: int, of: str = "afd", won: int = 0) -> Callable[[str, str, np.ndarray], np.ndarray]:
    """A run in which a method loses so many hits under every degraded condition."""

    def change(method: str, condition: str, right: np.ndarray) -> np.ndarray:
        return flipped(right, count, won) if method == of and condition != "clean" else right

    return change


def verdicts(result: Checked) -> dict[str, str]:
    return {one.figure.name: one.verdict for one in result.judged}


def named(what: str, method: str = "afd") -> str:
    return f"classification / data / net / {method} / {what} / top1"


def test_the_same_predictions_pass_without_statistics(tmp_path: Path) -> None:
    result = checked(tmp_path)
    assert (result.outcome, result.exit_code) == ("pass", 0)
    assert set(verdicts(result).values()) == {"identical"}
    assert len(result.judged) == 2 + 1 + 6, "an average each, one gain, and all cells"
    assert not result.flips


def test_what_the_metric_does_not_read_may_differ(tmp_path: Path) -> None:
    """Kernels of other processors move the last bits of a likelihood, and no prediction."""
    before = load(run(tmp_path / "before"), whole=True)
    moved = {place: {**records, "nll": records["nll"] * (1 + 1e-6)} for place, records in before.records.items()}
    result = check(before, replace(before, records=moved), Rules(), TODAY)
    assert set(verdicts(result).values()) == {"identical"}


def test_a_drop_of_five_points_is_a_regression(tmp_path: Path) -> None:
    result = checked(tmp_path, lose(100))
    assert result.exit_code == 1
    assert verdicts(result)[named("average")] == verdicts(result)[named("gain")] == "regressed"
    assert verdicts(result)[named("average", "direct")] == "identical"
    assert {one.figure.name for one in result.blocking} >= {named("average"), named("gain"), named("jpeg@10")}
    average = next(one for one in result.judged if one.figure.name == named("average"))
    assert average.figure.change == pytest.approx(-0.05)
    assert average.low < -0.05 < average.high < 0
    assert {flip.cell[3]: (len(flip.lost), len(flip.won)) for flip in result.flips} == {
        "jpeg@25": (100, 0), "jpeg@10": (100, 0),
    }  # fmt: skip


def test_few_groups_settle_nothing(tmp_path: Path) -> None:
    """Two videos say too little of others, however many frames they have; what is the same passes all the same."""
    videos = ["a"] * (N // 2) + ["b"] * (N // 2)
    before = load(run(tmp_path / "before", groups=videos), whole=True)
    now = load(run(tmp_path / "now", lose(100), groups=videos), whole=True)
    result = check(before, now, Rules(), TODAY)
    assert result.exit_code == 1
    assert verdicts(result)[named("average")] == "inconclusive"
    assert "2 samples or groups of them are too few for an interval" in show.terminal(result)
    assert "nan" not in show.terminal(result)
    assert check(before, before, Rules(), TODAY).exit_code == 0


def test_a_rise_is_an_improvement_and_passes(tmp_path: Path) -> None:
    result = checked(tmp_path, lambda m, c, right: flipped(right, 0, 60) if m == "afd" else right)
    assert result.exit_code == 0
    assert verdicts(result)[named("average")] == "improved"


def test_noise_is_equivalent(tmp_path: Path) -> None:
    result = checked(tmp_path, lose(40, won=40))
    assert result.exit_code == 0
    assert verdicts(result)[named("average")] == "equivalent"


def test_what_the_samples_cannot_settle_fails_unless_the_rules_only_warn(tmp_path: Path) -> None:
    strict = Rules(default=Limits(margin=0.001))
    result = checked(tmp_path, lose(40, won=40), strict)
    assert (result.exit_code, verdicts(result)[named("average")]) == (1, "inconclusive")
    lenient = replace_rules(strict, inconclusive="warn")
    before, now = (load(tmp_path / name, whole=True) for name in ("before", "now"))
    assert check(before, now, lenient, TODAY).exit_code == 0


def replace_rules(rules: Rules, **changes: object) -> Rules:
    return rules.model_copy(update=changes)


@pytest.mark.parametrize(
    ("rules", "exit_code", "verdict"),
    [
        (Rules(default=Limits(floor=0.02)), 0, "equivalent"),
        (Rules(default=Limits(floor=0.02, margin=0.005)), 1, "inconclusive"),
        (Rules(default=Limits(floor=0.001)), 1, "regressed"),
        (Rules(rules=(Rule(kind="gain", floor=0.02), Rule(relative_floor=0.05))), 0, "equivalent"),
    ],
)
def test_a_sure_drop_below_the_floor_is_no_regression(
    tmp_path: Path, rules: Rules, exit_code: int, verdict: str
) -> None:
    result = checked(tmp_path, lose(24), rules)
    assert (result.exit_code, verdicts(result)[named("average")]) == (exit_code, verdict)


def test_a_bound_of_the_rules_blocks_what_did_not_regress(tmp_path: Path) -> None:
    rules = Rules(
        rules=(Rule(kind="average", method="afd", min=0.9), Rule(kind="average", method="direct", ratio=1.01))
    )
    result = checked(tmp_path, rules=rules)
    assert {one.figure.name: one.why for one in result.blocking} == {
        named("average"): "it is 0.7; the rules ask for 0.9",
        named("average", "direct"): "it kept 1; the rules ask for 1.01",
    }


def test_a_regression_may_be_accepted_until_a_day(tmp_path: Path) -> None:
    names = [one.figure.name for one in checked(tmp_path, lose(100)).blocking]
    before, now = (load(tmp_path / name, whole=True) for name in ("before", "now"))

    def with_until(until: date | None) -> Checked:
        accepted = tuple(Accepted(figure=n, reason="a smaller model", accepted=TODAY, until=until) for n in names)
        return check(before, now, Rules(accepted=accepted), TODAY)

    assert with_until(None).exit_code == with_until(TODAY).exit_code == 0
    late = with_until(date(2026, 11, 30))
    assert late.exit_code == 1
    assert "was accepted until 2026-11-30 (a smaller model)" in late.blocking[0].why


def without_cell(info: dict) -> None:
    del info["cells"][3]


def failed_cell(info: dict) -> None:
    info["cells"][3] |= {"status": "failed", "reason": "no memory"}


def other_seed(info: dict) -> None:
    info["seed"] = 8


def other_version(info: dict) -> None:
    info["version"] = 4


def other_model(info: dict) -> None:
    for result in info["cells"]:
        result["cell"]["model"]["name"] = "another"


def other_condition(info: dict) -> None:
    info["cells"][1]["cell"]["condition"]["params"] = {"quality": 24}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_cell, "data / .* / clean / net / afd / 0: the run has no such cell"),
        (failed_cell, r"failed \(no memory\)"),
        (other_seed, "the baseline is of seed 7, the run of 8"),
        (other_version, "the baseline is of version 3, the run of 4"),
        (other_model, "the model was 'net' and is 'another'"),
        (other_condition, "the condition had the parameters {} and has {'quality': 24}"),
    ],
)
def test_what_cannot_be_compared_never_passes(tmp_path: Path, change: Callable[[dict], None], reason: str) -> None:
    before, now = run(tmp_path / "before"), run(tmp_path / "now")
    info = json.loads((now / "run.json").read_text())
    change(info)
    (now / "run.json").write_text(json.dumps(info | {"digest": ""}))
    result = check(load(before, whole=True), load(now, whole=True), Rules(), TODAY)
    assert (result.outcome, result.exit_code) == ("not comparable", 2)
    assert any(re.search(reason, text) for text in result.comparison.against), result.comparison.against


def test_other_or_fewer_samples_cannot_be_compared(tmp_path: Path) -> None:
    before = load(run(tmp_path / "before"), whole=True)
    swapped = {place: dict(records) for place, records in before.records.items()}
    first = next(iter(swapped.values()))
    first["id"] = first["id"][::-1]
    result = check(before, replace(before, records=swapped), Rules(), TODAY)
    assert (result.exit_code, len(result.comparison.against)) == (2, 1)
    assert "other ids, or in another order" in result.comparison.against[0]
    bad = load(run(tmp_path / "bad", bad=[3, 4]), whole=True)
    assert "2000 samples could be used, and now 1998" in check(before, bad, Rules(), TODAY).comparison.against[0]


def test_samples_without_labels_give_no_figure(tmp_path: Path) -> None:
    before = load(run(tmp_path / "before", unlabelled=range(N)), whole=True)
    result = check(before, before, Rules(), TODAY)
    assert (result.outcome, result.judged) == ("not comparable", ())


def test_a_constant_predictor_does_not_pass(tmp_path: Path) -> None:
    result = checked(tmp_path, lambda method, condition, right: (np.arange(N) % 24 == 0).astype(int))
    assert result.exit_code == 1


def test_more_parameters_fail(tmp_path: Path) -> None:
    folders = []
    for name, extra in (("before", 0), ("now", 5)):
        fake = FakeRun(N)
        for (method, condition), right in BASE.items():
            fake.cell(method, condition, right)
        fake.cost("afd", 3.0, extra)
        folders.append(fake.write(tmp_path / name))
    before, now = (load(folder, whole=True) for folder in folders)
    result = check(before, now, Rules(), TODAY)
    assert result.exit_code == 1
    assert result.costs[0] == "afd on net: 1,000,005 parameters, 1,000,000 before"
    assert check(now, before, Rules(), TODAY).exit_code == 0


def test_every_format_tells_the_verdict(tmp_path: Path) -> None:
    result = checked(tmp_path, lose(100))
    assert "regression: " in show.terminal(result).splitlines()[-1]
    assert "| verdict" in show.markdown(result)
    plain = json.loads(show.as_json(result))
    assert (plain["outcome"], plain["exit_code"], len(plain["figures"])) == ("regression", 1, 9)
    assert plain["flips"][0]["lost"][0]["id"].startswith("photo-")
    suite = Xml.fromstring(show.junit(result))
    assert int(suite.get("tests", 0)) == 9
    assert int(suite.get("failures", 0)) == len(result.blocking) == len(suite.findall("testcase/failure"))
