"""The benchmark of the engine, at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import engine, engine_suite
from benchmarks.timing import Steps
from qbench.runtime import fixed_threads
from tests.conftest import ROOT

COUNT = 2
SMALL = engine_suite.Scale(samples=COUNT, repetitions=1, picture=128, crop=32)
SCALES = {"whole": SMALL, "direct": replace(SMALL, restorers=(), features=())}


@pytest.fixture(scope="module")
def result() -> dict[str, object]:
    """The benchmark itself asserts that the naive loop's predictions equal the records."""
    return json.loads(json.dumps({rows: engine.benchmark(rows, scale) for rows, scale in SCALES.items()}))


def test_every_figure_has_a_median_and_quartiles(result: dict) -> None:  # type: ignore[type-arg]
    assert set(result) == {"whole", "direct"}
    for row in result.values():
        for figure in engine.FIGURES:
            for unit in ("wall", "processor"):
                found = row[figure][unit]
                assert found["low"] <= found["median"] <= found["high"]
                assert found["iqr"] == pytest.approx(found["high"] - found["low"], abs=1e-4)


def test_counts_are_those_of_the_suite(result: dict) -> None:  # type: ignore[type-arg]
    whole, direct = (result[name]["counts"] for name in ("whole", "direct"))
    assert whole["cells"] == 3 * 6 * 4
    assert direct["cells"] == 3 * 6
    assert whole["decodes"] == COUNT
    assert whole["naive decodes"] == COUNT * 72
    assert whole["degradations"] == COUNT * 6
    assert whole["restorations"] == COUNT * 6 * 2
    assert whole["naive restorations"] == COUNT * 6 * 2 * 3
    assert whole["bare forwards of batches"] == 72 + 6 * 2 + 18


def test_the_bound_is_what_the_steps_cost_over_each_of_them_once() -> None:
    steps = Steps()
    steps.taken = {
        ("decode", 0): [{"wall": 1.0}] * 6,
        ("restore", "arcnn", "clean", 0): [{"wall": 2.0}, {"wall": 4.0}],
        ("forward", "a", 0): [{"wall": 3.0}],
        ("forward", "b", 0): [{"wall": 5.0}],
    }
    assert steps.bound("wall") == pytest.approx((6 + 6 + 8) / (1 + 3 + 8))
    assert steps.seconds("wall") == {"decode": 6, "restore": 6, "forward": 8}


def test_the_naive_loop_does_every_step_in_every_cell(tmp_path: Path) -> None:
    scale = replace(SMALL, restorers=("dncnn-small",), features=("afd", "afd-unguided"))
    engine_suite.write_pictures(tmp_path / "pictures", scale)
    methods = engine_suite.write_methods(tmp_path, scale)
    file = engine_suite.write_suite(tmp_path / "suite.yaml", tmp_path, methods, scale)
    with fixed_threads(1):
        case = engine.Case(file, tmp_path / "run")
        case.naive({})
    found = {(name[0], len(taken)) for name, taken in case.steps.taken.items()}
    cells = 3 * 6 * 4  # one batch each
    assert found == {
        ("decode", cells), ("view", cells), ("degrade", cells // 6), ("stack", cells // 6), ("restore", 3),
        ("forward", 1), ("stem", 2), ("enhance", 1), ("head", 1),
    }  # fmt: skip


def test_all_ten_methods_are_built_with_drawn_weights(tmp_path: Path) -> None:
    scale = replace(engine.SCALES["methods"], samples=1)
    engine_suite.write_pictures(tmp_path / "pictures", scale)
    methods = engine_suite.write_methods(tmp_path, scale)
    file = engine_suite.write_suite(tmp_path / "suite.yaml", tmp_path, methods, scale)
    case = engine.Case(file, tmp_path / "run")
    assert len({cell.method.label for cell in case.plan.cells}) == 10
    assert sum(cell.method.site == "image" for cell in case.plan.cells) == 6 * 3 * 6


def test_the_table_states_figures_counts_and_machine(result: dict) -> None:  # type: ignore[type-arg]
    text = engine.markdown(result)
    assert f"| direct | {COUNT} | gain | ≥ 2 |" in text
    assert "cells 72" in text
    assert "torch" in text


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "engine.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for line in engine.table(result).splitlines()[2:]:
        assert line in page


def test_a_wrong_prediction_stops_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = engine.Case.naive

    def wrong(self: engine.Case, seconds: dict[str, float]) -> engine.Predictions:
        found = real(self, seconds)
        first = next(iter(found))
        return {**found, first: [-1, *found[first][1:]]}

    engine_suite.write_pictures(tmp_path / "pictures", SMALL)
    file = engine_suite.write_suite(tmp_path / "suite.yaml", tmp_path, ["direct"], SMALL)
    monkeypatch.setattr(engine.Case, "naive", wrong)
    with fixed_threads(1), pytest.raises(AssertionError, match="predicts otherwise"):
        engine.Case(file, tmp_path / "run").measured(1)
