"""`qbench compare` as it is typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qbench.cli.app import app
from qbench.errors import QbenchError, StoreError
from qbench.suite.published import Shown, shown_of
from tests.compare.test_lines import HITS, N, fake

PAPER = """
paper: made-up
citation: Nobody, 2020
tables:
  "1":
    title: Top-1
    where: Table 1
    methods: {None: direct, AFD: afd}
    rows:
      - {model: net, condition: clean, values: [60.0, 71.5]}
      - {model: net, condition: jpeg@25, values: [55.0, 66.0]}
      - {model: net, condition: jpeg@10, values: [50.0, 62.0]}
    averages:
      - {model: net, values: [52.5, 64.0]}
  costs:
    title: Costs
    where: Table 2
    costs:
      - {method: afd, parameters: 0.1, macs: 0.2}
"""


def verb(*words: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, words)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake().write(tmp_path_factory.mktemp("run") / "run")


def test_methods_in_every_format(run: Path, tmp_path: Path) -> None:
    result = verb(run, "--method", "direct", "--method", "afd", "--out", tmp_path)
    assert result.exit_code == 0
    assert "afd against direct: classification" in result.output
    assert "Holm: p adjusted for all 4 comparisons" in result.output
    assert "photo-" not in result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["compare.csv", "compare.json", "compare.md"]
    plain = json.loads((tmp_path / "compare.json").read_text())
    rows = list(csv.DictReader((tmp_path / "compare.csv").open()))
    assert [row["condition"] for row in rows] == [line["condition"] for line in plain["lines"]]
    lost = plain["lines"][0]["flips"][0]["lost"]
    assert len(lost) == plain["lines"][0]["lost"] == int(rows[0]["lost"])
    assert {sample["id"] for sample in lost} == {
        f"photo-{i:05d}.jpg" for i in range(N) if HITS["direct", "clean"][i] > HITS["afd", "clean"][i]
    }
    assert "| condition" in (tmp_path / "compare.md").read_text()
    named = verb(run, "--method", "direct", "--method", "afd", "--flips")
    assert lost[0]["id"] in named.output


def test_nothing_to_compare_is_two(run: Path, tmp_path: Path) -> None:
    other = fake(("direct",), dataset="elsewhere").write(tmp_path / "other")
    result = verb(run, other)
    assert result.exit_code == 2
    assert f"not compared: {other} has no such score" in result.output
    assert isinstance(verb(run).exception, QbenchError)
    assert isinstance(verb(run, tmp_path / "nowhere").exception, QbenchError)
    damaged = fake(("direct",)).write(tmp_path / "damaged")
    next(damaged.rglob("*.parquet")).write_bytes(b"PAR1")
    assert isinstance(verb(run, damaged).exception, StoreError)


def test_a_run_against_a_paper(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "paper.yaml"
    file.write_text(PAPER)
    result = verb(run, "--published", file, "-f", "json")
    assert result.exit_code == 0
    plain = json.loads(result.stdout)
    assert "not paired" in plain["note"]
    lines = {(line["method"], line["condition"]): line for line in plain["lines"]}
    assert len(lines) == 2 * 4
    ours = HITS["afd", "clean"].mean()
    line = lines["afd", "clean"]
    assert line["difference"] == pytest.approx(ours - 0.715)
    assert line["low"] < line["difference"] < line["high"]
    assert line["p"] is None
    assert lines["direct", "average"]["reference_score"] == 0.525
    carried = fake()
    carried.published = [Shown.model_validate(one.model_dump()) for one in shown_of(str(file))]
    assert verb(carried.write(tmp_path / "carried"), "--published", "suite").exit_code == 0
    said = {
        "names no table of a paper": verb(run, "--published", "suite"),
        "no figure of the paper is of a model": verb(run, "--published", "afd"),
        "compares one run with a paper": verb(run, run, "--published", "afd", "--method", "direct"),
    }
    for text, failed in said.items():
        assert isinstance(failed.exception, QbenchError)
        assert text in str(failed.exception)
