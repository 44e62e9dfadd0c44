"""`qbench check` as it is typed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qbench.cli.app import app
from qbench.errors import QbenchError, SuiteError
from qbench.gate.rules import Accepted, accepting, read_rules
from tests.gate.test_check import lose, named, run


def verb(*words: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, words)])


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    return run(tmp_path / "before")


def test_exit_codes_and_files(baseline: Path, tmp_path: Path) -> None:
    same, worse = run(tmp_path / "same"), run(tmp_path / "worse", lose(100))
    assert verb(same, "--against", baseline).exit_code == 0
    result = verb(worse, "--against", baseline, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert f"fails: {named('average')}: it regressed" in result.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["check.json", "check.md", "check.xml"]
    assert json.loads(verb(worse, "--against", baseline, "-f", "json").output)["exit_code"] == 1
    assert isinstance(verb(worse, "--against", tmp_path / "nowhere").exception, QbenchError)


def test_an_accepted_regression_is_noted_in_the_rules_and_passes(baseline: Path, tmp_path: Path) -> None:
    worse = run(tmp_path / "worse", lose(100))
    failing = [one["figure"] for one in json.loads(verb(worse, "--against", baseline, "-f", "json").output)["figures"]
               if one["blocks"]]  # fmt: skip
    words = [word for figure in failing for word in ("--accept", figure)]
    assert isinstance(verb(worse, "--against", baseline, *words).exception, QbenchError)
    accepted = verb(worse, "--against", baseline, *words, "--reason", "it's smaller", "--until", "2999-01-01")
    assert accepted.exit_code == 0
    rules = read_rules(baseline / "gate.yaml")
    assert [one.figure for one in rules.accepted] == failing
    assert {one.reason for one in rules.accepted} == {"it's smaller"}
    assert verb(worse, "--against", baseline).exit_code == 0


def test_rules_keep_what_stands_in_them_when_one_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text("version: 1\n# why this floor\ndefault: {floor: 0.004}\n")
    one = Accepted(figure="a / b", reason="x: 'y'", accepted=date(2026, 1, 2))
    for _ in range(2):
        file.write_text(accepting(file, one))
    assert "# why this floor" in file.read_text()
    rules = read_rules(file)
    assert (rules.default.floor, rules.accepted) == (0.004, (one, one))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\ndefault: {margin: -1}\n", "2:11"),
        ("version: 1\nrules: [{methd: afd}]\n", "did you mean 'method'"),
        ("version: 2\n", "1:1: "),
    ],
)
def test_bad_rules_are_one_line_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text(text)
    with pytest.raises(SuiteError) as error:
        read_rules(file)
    assert said in str(error.value)
