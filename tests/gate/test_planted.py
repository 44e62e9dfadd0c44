"""Every verdict and exit code of `qbench check`, on faults that are planted in a copy of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from qbench import registry
from qbench.cli.app import app
from qbench.errors import QbenchError, StoreError, SuiteError
from qbench.report.export import export
from qbench.report.source import load
from tests.gate.test_check import BASE, N, flipped, lose, named, run
from tests.report.fake_run import FakeRun

METRIC = """
import numpy as np
import qbench

@qbench.metric("planted-share", task="classification")
class Share:
    higher_is_better, range, resamples, columns = {higher}, (0.0, 1.0), 400, ("rank", "error")
    @staticmethod
    def statistic(records, weights):
        return weights @ {what} / weights.sum(axis=-1)
"""


def verb(*words: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, words)])


def code(result: Result) -> int:
    """The exit code, of an error that the command line tells too."""
    return result.exception.exit_code if isinstance(result.exception, QbenchError) else result.exit_code


def told(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baseline")
    export(load(run(folder / "run"), whole=True), folder / "export")
    return folder / "export"


def with_rules(baseline: Path, folder: Path, text: str) -> Path:
    copy = Path(shutil.copytree(baseline, folder / "with-rules"))
    (copy / "gate.yaml").write_text(text)
    return copy


@pytest.mark.parametrize(
    ("change", "rules", "verdict", "exit_code"),
    [
        (None, "", "identical", 0),
        (lambda m, _, right: flipped(right, 0, 60) if m == "afd" else right, "", "improved", 0),
        (lose(100), "", "regressed", 1),
        (lose(40, won=40), "", "equivalent", 0),
        (lose(40, won=40), "default: {margin: 0.001}", "inconclusive", 1),
        (lose(40, won=40), "default: {margin: 0.001}\ninconclusive: warn", "inconclusive", 0),
        (lose(24), "default: {floor: 0.02}", "equivalent", 0),
        (lose(24), "default: {floor: 0.001, relative_floor: 0.05}", "equivalent", 0),
    ],
)
def test_each_verdict_has_its_exit_code(
    baseline: Path, tmp_path: Path, change: Callable[..., np.ndarray] | None, rules: str, verdict: str, exit_code: int
) -> None:
    against = with_rules(baseline, tmp_path, f"version: 1\n{rules}\n")
    result = verb(run(tmp_path / "now", change), "--against", against, "-f", "json", "--out", tmp_path / "out")
    assert code(result) == told(result)["exit_code"] == exit_code
    figures = {figure["figure"]: figure for figure in told(result)["figures"]}
    assert figures[named("average")]["verdict"] == verdict
    suite = Xml.parse(tmp_path / "out" / "check.xml").getroot()
    assert len(suite.findall("testcase")) == len(figures), "a test case for each figure"
    assert {case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None} == {
        name for name, figure in figures.items() if figure["blocks"]
    }
    if verdict != "identical":
        assert f"{figures[named('average')]['smallest_drop_shown']:.3f}" != "0.000"


def test_a_single_condition_fails_by_holm(baseline: Path, tmp_path: Path) -> None:
    def worse(method: str, condition: str, right: np.ndarray) -> np.ndarray:
        return flipped(right, 60, 0) if (method, condition) == ("direct", "clean") else right

    result = verb(run(tmp_path / "now", worse), "--against", baseline, "-f", "json")
    assert code(result) == 1
    assert [figure["figure"] for figure in told(result)["figures"] if figure["blocks"]] == [named("clean", "direct")]


def edited(baseline: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    copy = Path(shutil.copytree(baseline, folder / "edited"))
    info = json.loads((copy / "run.json").read_text())
    change(info)
    (copy / "run.json").write_text(json.dumps(info | {"digest": ""}))
    return copy


def test_a_failed_or_another_cell_is_not_comparable(baseline: Path, tmp_path: Path) -> None:
    def other(info: dict[str, Any]) -> None:
        info["cells"][0]["cell"]["condition"]["label"] = "another"

    result = verb(edited(baseline, tmp_path, other), "--against", baseline, "-f", "junit")
    assert code(result) == 2
    suite = Xml.fromstring(result.stdout)
    assert suite.get("errors") == "1"
    assert "the run has no such cell" in str(suite.find("testcase").get("name"))  # type: ignore[union-attr]


def test_swapped_ids_are_not_comparable(baseline: Path, tmp_path: Path) -> None:
    whole = load(baseline, whole=True)
    place = whole.info.cells[-1].cell.place
    records = dict(whole.records)
    ids = records[place]["id"].copy()
    ids[[3, 4]] = ids[[4, 3]]
    records[place] = {**records[place], "id": ids}
    export(type(whole)(whole.info, records, whole.efficiency), tmp_path / "swapped")
    result = verb(tmp_path / "swapped", "--against", baseline)
    assert code(result) == 2
    assert "its records hold other ids, or in another order" in result.stdout


def test_a_constant_predictor_and_too_few_samples(baseline: Path, tmp_path: Path) -> None:
    constant = run(tmp_path / "constant", lambda *_: (np.arange(N) % 24 == 0).astype(int))
    assert code(verb(constant, "--against", baseline)) == 1
    few = FakeRun(19)
    few.cell("direct", "jpeg@25", np.ones(19))
    folder = few.write(tmp_path / "few")
    result = verb(folder, "--against", folder)
    assert code(result) == 2
    assert "19 samples are too few; at least 20 can be compared" in result.stdout


def test_missing_and_damaged_files(baseline: Path, tmp_path: Path) -> None:
    missing = verb(baseline, "--against", tmp_path / "none")
    assert code(missing) == 2
    assert "there is no such baseline" in str(missing.exception)
    assert code(verb(baseline, "--against", tmp_path)) == StoreError.exit_code
    damaged = Path(shutil.copytree(baseline, tmp_path / "damaged"))
    content = bytearray((damaged / "records.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "records.parquet").write_bytes(content)
    for words in ((damaged, "--against", baseline), (baseline, "--against", damaged)):
        result = verb(*words)
        assert code(result) == StoreError.exit_code
        assert "records.parquet" in str(result.exception)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("version: 1\ndefault: {margin: 0}\n", "gate.yaml:2:11: "),
        ("version: 1\nrules:\n  - {kind: mean}\n", "gate.yaml:3:6: "),
        ("version: 1\nrules: [{published: {value: 0.7}}]\n", "gate.yaml:2:"),
        ("version: 1\naccepted: [{figure: a, reason: ' ', accepted: '2026-01-01'}]\n", "gate.yaml:2:24: "),
        ("version: 1\nlatency: 0.9\n", "gate.yaml:2:1: "),
        ("version: 1\n  rules: []\n", "gate.yaml:2:"),
    ],
)
def test_bad_rules_are_told_with_their_place(baseline: Path, tmp_path: Path, rules: str, said: str) -> None:
    result = verb(baseline, "--against", with_rules(baseline, tmp_path, rules))
    assert isinstance(result.exception, SuiteError)
    assert code(result) == 2
    assert said in str(result.exception)


def test_a_published_number_bounds_a_figure(baseline: Path, tmp_path: Path) -> None:
    accuracy = np.mean([BASE["afd", condition].mean() for condition in ("jpeg@25", "jpeg@10")])
    rule = (
        "version: 1\nrules:\n  - {kind: average, method: afd, published: {value: %s, within: 0.01, source: Table 1}}\n"
    )
    near = with_rules(baseline, tmp_path, rule % (accuracy + 0.009))
    assert code(verb(baseline, "--against", near)) == 0
    for value in (accuracy + 0.011, accuracy - 0.011):
        (near / "gate.yaml").write_text(rule % value)
        result = verb(baseline, "--against", near)
        assert code(result) == 1
        assert f"it is {accuracy:.4g}; published is {value:g} (Table 1), and the rules allow 0.01" in result.stdout


@pytest.mark.parametrize(
    ("higher", "what", "change"),
    [
        (True, "(np.asarray(records['rank']) == 0)", lose(100)),
        (False, "(np.asarray(records['rank']) != 0)", lose(100)),
    ],
)
def test_a_metric_of_a_plug_in_goes_through_the_gate(
    tmp_path: Path, higher: bool, what: str, change: Callable[..., np.ndarray]
) -> None:
    plugin = tmp_path / f"planted_{higher}.py"
    plugin.write_text(METRIC.format(higher=higher, what=what).replace("planted-share", f"planted-share-{higher}"))
    folders = []
    for name, changed in (("before", None), ("now", change), ("noise", lose(10, won=10))):
        fake = FakeRun(N, metric=f"planted-share-{higher}")
        for (method, condition), right in BASE.items():
            fake.cell(method, condition, right if changed is None else changed(method, condition, right))
        folders.append(fake.write(tmp_path / name))
    before, now, noise = folders
    assert code(verb(before, "--against", before, "--plugin", plugin)) == 0
    worse = verb(now, "--against", before, "--plugin", plugin, "-f", "json")
    assert code(worse) == 1
    average = next(
        one for one in told(worse)["figures"] if one["figure"].startswith("classification / data / net / afd / average")
    )
    assert average["verdict"] == "regressed"
    assert average["change"] == pytest.approx(-0.05)
    assert code(verb(noise, "--against", before, "--plugin", plugin)) == 0
    assert code(verb(before, "--against", now, "--plugin", plugin)) == 0, "the other way round it is a gain"


def test_acceptances_name_figures_and_expire(baseline: Path, tmp_path: Path) -> None:
    against, now = Path(shutil.copytree(baseline, tmp_path / "against")), run(tmp_path / "now", lose(100))
    blocked = [one["figure"] for one in told(verb(now, "--against", against, "-f", "json"))["figures"] if one["blocks"]]
    unknown = verb(now, "--against", against, "--accept", f"{blocked[0]}x", "--reason", "smaller")
    assert f"did you mean '{blocked[0]}'" in str(unknown.exception)
    assert not (against / "gate.yaml").exists()
    spaced = [word for name in blocked for word in ("--accept", f" {name.replace(' / ', '  / ')} ")]
    assert code(verb(now, "--against", against, *spaced, "--reason", "a  smaller\nmodel", "--until", "2999-12-31")) == 0
    accepted = verb(now, "--against", against)
    assert code(accepted) == 0
    assert "accepted on " in accepted.stdout
    assert ": a smaller model" in accepted.stdout
    rules = (against / "gate.yaml").read_text()
    (against / "gate.yaml").write_text(rules.replace("2999-12-31", "2020-12-31"))
    expired = verb(now, "--against", against)
    assert code(expired) == 1
    assert "it was accepted until 2020-12-31 (a smaller model)" in expired.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--accept", "a"], "--accept needs --reason"),
        (["--update", "--reason", "  "], "--update needs --reason"),
        (["--reason", "x"], "--reason says why"),
        (["--until", "2027-01-01"], "--until says how long"),
        (["--update", "--accept", "a", "--reason", "x"], "give one of them"),
    ],
)
def test_options_that_do_not_go_together(baseline: Path, words: list[str], said: str) -> None:
    result = verb(baseline, "--against", baseline, *words)
    assert code(result) == 2
    assert said in str(result.exception)


def test_a_run_takes_the_place_of_the_baseline(baseline: Path, tmp_path: Path) -> None:
    rules = "version: 1\n# why this floor\ndefault: {floor: 0.004}\n"
    accepted = "accepted:\n  - figure: a\n    reason: b\n    accepted: '2026-01-01'\n"
    against, now = with_rules(baseline, tmp_path, rules + accepted), run(tmp_path / "now", lose(100))
    (against / "README.md").write_text("a page")
    before = json.loads((against / "run.json").read_text())["digest"]
    result = verb(now, "--against", against, "--update", "--reason", "trained again")
    assert code(result) == 0
    assert "qbench report" in result.stdout
    assert code(verb(now, "--against", against)) == 0
    assert code(verb(baseline, "--against", against)) == 0, "the old one is better"
    (update,) = json.loads((against / "updates.json").read_text())
    assert (update["reason"], update["outcome"], update["replaced"]) == ("trained again", "regression", before)
    assert named("average") in update["failed"]
    assert (against / "gate.yaml").read_text() == rules
    assert (against / "README.md").read_text() == "a page"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    assert code(verb(baseline, "--against", against, "--update", "--reason", "back")) == 0
    assert [one["reason"] for one in json.loads((against / "updates.json").read_text())] == ["trained again", "back"]


def test_a_run_that_is_not_finished_replaces_nothing(baseline: Path, tmp_path: Path) -> None:
    against = Path(shutil.copytree(baseline, tmp_path / "against"))

    def pending(info: dict[str, Any]) -> None:
        info["cells"][-1] |= {"status": "failed", "reason": "no memory"}

    content = (against / "run.json").read_bytes()
    refused = verb(edited_run(tmp_path, pending), "--against", against, "--update", "--reason", "x")
    assert code(refused) == 2
    assert "1 of 6 cells are pending or failed" in str(refused.exception)
    assert (against / "run.json").read_bytes() == content
    whole = run(tmp_path / "whole")
    assert "is a run, whose records are not replaced" in str(
        verb(whole, "--against", whole, "--update", "--reason", "x").exception
    )


def edited_run(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    made = run(folder / "unfinished")
    info = json.loads((made / "run.json").read_text())
    change(info)
    (made / "run.json").write_text(json.dumps(info | {"digest": ""}))
    return made


@pytest.mark.parametrize(
    ("rule", "exit_code"),
    [
        ("min: 0.31", 0), ("min: 0.29", 1), ("ratio: 0.99", 0), ("ratio: 1.01", 1),
        ("published: {value: 0.3, within: 0.001}", 0), ("published: {value: 0.32, within: 0.001}", 1),
    ],
)  # fmt: skip
def test_bounds_of_a_metric_of_which_less_is_better(tmp_path: Path, rule: str, exit_code: int) -> None:
    """AFD misses 30% under the degraded conditions."""
    plugin = tmp_path / "planted_bounds.py"
    text = METRIC.format(higher=False, what="(np.asarray(records['rank']) != 0)")
    plugin.write_text(text.replace("planted-share", "planted-bounds"))
    if "planted-bounds" not in registry.names("metric"):
        registry.load_plugins((), (plugin,))
    fake = FakeRun(N, metric="planted-bounds")
    for (method, condition), right in BASE.items():
        fake.cell(method, condition, right)
    folder, rules = fake.write(tmp_path / "run"), tmp_path / "rules.yaml"
    rules.write_text(f"version: 1\nrules:\n  - {{kind: average, method: afd, {rule}}}\n")
    assert code(verb(folder, "--against", folder, "--rules", rules)) == exit_code
