"""One report of several runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qbench.cli.app import app
from qbench.compute.cell import Cell
from qbench.errors import QbenchError
from qbench.report.build import report
from qbench.report.leaderboard import Group
from qbench.report.merged import merged
from qbench.report.render.markdown import page
from qbench.report.several import several
from qbench.report.source import Loaded
from qbench.suite.schema import Control
from tests.report.fake_run import FakeRun, row, table

N = 200
CONDITIONS = ("clean", "jpeg@25", "jpeg@10")


def hits(method: str, condition: str) -> np.ndarray:
    accuracy = {"direct": 0.5, "afd": 0.65, "arcnn": 0.55}[method]
    return (np.random.default_rng([len(method), CONDITIONS.index(condition)]).random(N) < accuracy).astype(int)


def fake(methods: Sequence[str], change: Callable[[str, np.ndarray], np.ndarray] | None = None) -> Loaded:
    run = FakeRun(N)
    for method in methods:
        for condition in CONDITIONS:
            right = hits(method, condition)
            run.cell(method, condition, right if change is None else change(method, right))
        run.cost(method, {"direct": 2.0, "afd": 3.0, "arcnn": 4.0}[method])
    return run.loaded()


def with_cells(run: Loaded, change: Callable[[Cell], Mapping[str, object]], **info: object) -> Loaded:
    cells = []
    for result in run.info.cells:
        cells.append(result.model_copy(update={"cell": result.cell.model_copy(update=change(result.cell))}))
    return replace(run, info=run.info.model_copy(update={"cells": tuple(cells), **info}))


def groups(runs: Mapping[str, Loaded]) -> Sequence[Group]:
    return table(several(runs), "accuracy-by-quality").groups


def methods(group: Group) -> list[str]:
    return [one.method for one in group.rows]


def test_a_new_method_stands_beside_those_of_another_run() -> None:
    together = groups({"a": fake(("direct", "afd")), "b": fake(("direct", "arcnn"))})
    (whole,) = table(report(fake(("direct", "afd", "arcnn"))), "accuracy-by-quality").groups
    (group,) = together
    assert methods(group) == ["direct", "afd", "arcnn"]
    assert group.rows == whole.rows
    assert not merged({"a": fake(("direct", "afd")), "b": fake(("direct", "arcnn"))}).apart


def test_costs_come_along() -> None:
    made = several({"a": fake(("direct", "afd")), "b": fake(("direct", "arcnn"))})
    (group,) = table(made, "efficiency").groups
    assert methods(group) == ["direct", "afd", "arcnn"]


def test_a_method_with_other_predictions_has_its_runs_name() -> None:
    worse = fake(("direct", "afd"), lambda method, right: right * (np.arange(N) % 7 > 0) if method == "afd" else right)
    made = several({"a": fake(("direct", "afd")), "b": worse})
    (group,) = table(made, "accuracy-by-quality").groups
    assert methods(group) == ["direct", "afd", "afd (b)"]
    assert row(group, "afd (b)")["jpeg@10"].value == pytest.approx(
        (hits("afd", "jpeg@10") * (np.arange(N) % 7 > 0)).mean()
    )
    reason = "afd (b): of b, told apart because its method has other predictions."
    assert reason in table(made, "accuracy-by-quality").remarks
    assert ("told apart", reason) in made.provenance
    assert methods(table(made, "efficiency").groups[0]) == ["direct", "afd", "afd (b)"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: {"weights_sha256": "b" * 64} if c.method.name == "afd" else {}, "other weights"),
        (
            lambda c: (
                {"method": c.method.model_copy(update={"params": {"width": 8}})} if c.method.name == "afd" else {}
            ),
            "other parameters",
        ),
    ],
)
def test_other_weights_or_parameters_under_one_name(change: Callable[[Cell], Mapping[str, object]], why: str) -> None:
    run = with_cells(fake(("direct", "afd")), lambda cell: {"weights_sha256": "a" * 64})
    both = merged({"a": run, "b": with_cells(run, change)})
    assert [(one.name, one.why) for one in both.apart] == [("afd (b)", f"its method has {why}")]


def other_samples(run: Loaded) -> Loaded:
    (source,) = run.info.sources
    sources = (source.model_copy(update={"whole": source.whole.model_copy(update={"name": "b"})}),)
    return replace(run, info=run.info.model_copy(update={"sources": sources}))


def other_protocol(run: Loaded, protocol: str) -> Loaded:
    cells = tuple(result.model_copy(update={"protocol": protocol}) for result in run.info.cells)
    return replace(run, info=run.info.model_copy(update={"cells": cells}))


def other_condition(run: Loaded) -> Loaded:
    return with_cells(run, lambda cell: {"condition": cell.condition.model_copy(update={"params": {"subsampling": 0}})})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_samples, "its samples are others"),
        (lambda run: with_cells(run, lambda _: {}, seed=8), "drawn from the seed 8, those of the others from 7"),
        (
            lambda run: with_cells(run, lambda c: {"model": c.model.model_copy(update={"name": "x"})}),
            "model is another",
        ),
        (other_condition, "its condition clean has other parameters"),
        (lambda run: other_protocol(run, "other"), "its protocol is another"),
    ],
)
def test_what_is_measured_otherwise_has_a_group_of_its_own(change: Callable[[Loaded], Loaded], why: str) -> None:
    first = other_protocol(fake(("direct", "afd")), "one")
    second = change(other_protocol(fake(("direct", "afd")), "one"))
    made = several({"a": first, "b": second, "c": second})
    here = table(made, "accuracy-by-quality").groups
    assert [group.of["dataset"] for group in here] == ["data", "data (b)"], "the third run is as the second"
    assert [methods(group) for group in here] == [["direct", "afd"]] * 2
    (reason,) = [text for name, text in made.provenance if name == "told apart"]
    assert reason.startswith("data (b): of b, told apart because ")
    assert why in reason
    assert reason in table(made, "accuracy-by-quality").remarks


def test_the_page_names_its_runs() -> None:
    first = fake(("direct", "afd"))
    second = with_cells(fake(("direct", "arcnn")), lambda _: {}, environment={"torch": "2.14.0", "threads": 1})
    made = several({"a": first, "b": second})
    text = page(made)
    assert "qbench report a b" in text
    assert "run: a: suite fake, version 3, seed 7; 6 cells; libraries numpy 2.4, pillow 12.0; torch 2.13.0" in text
    assert "torch 2.14.0; made by: qbench run fake.yaml" in text
    assert ("threads", "1") in made.provenance
    assert "torch" not in dict(made.provenance)


def test_controls_follow_the_names_of_their_methods() -> None:
    run = replace_controls(fake(("direct", "afd")), [Control(control="afd")])
    other = replace_controls(fake(("direct", "afd"), lambda _, right: 1 - right), [Control(control="afd")])
    both = merged({"a": run, "b": other})
    assert [control.control for control in both.loaded.info.controls] == ["afd", "afd (b)"]


def replace_controls(run: Loaded, controls: Sequence[Control]) -> Loaded:
    return replace(run, info=run.info.model_copy(update={"controls": tuple(controls)}))


def test_the_verb_takes_several_runs(tmp_path: Path) -> None:
    folders = []
    for name, method in (("a", "afd"), ("b", "arcnn")):
        run = FakeRun(N)
        for condition in CONDITIONS:
            run.cell("direct", condition, hits("direct", condition))
            run.cell(method, condition, hits(method, condition))
        folders.append(str(run.write(tmp_path / name)))
    runner = CliRunner()
    result = runner.invoke(app, ["report", *folders, "-f", "csv"])
    assert result.exit_code == 0
    assert {"direct", "afd", "arcnn"} <= {line["method"] for line in csv.DictReader(io.StringIO(result.stdout))}
    refused = runner.invoke(app, ["report", *folders, "--export", str(tmp_path / "c")])
    assert isinstance(refused.exception, QbenchError)
