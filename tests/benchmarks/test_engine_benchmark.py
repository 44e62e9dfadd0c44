"""The benchmark of the engine, at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import engine, engine_suite
from qbench.runtime import fixed_threads
from tests.conftest import ROOT

COUNT = 2
SMALL = engine_suite.Scale(samples=COUNT, repetitions=1, picture=128, crop=32, restorers=("arcnn", "dncnn-small"))


@pytest.fixture(scope="module")
def result() -> dict[str, object]:
    """The benchmark itself asserts that the naive loop's predictions equal the records."""
    return json.loads(json.dumps({rows: engine.benchmark(rows, SMALL) for rows in engine.ROWS}))


def test_every_figure_has_a_median_and_quartiles(result: dict) -> None:  # type: ignore[type-arg]
    assert set(result) == {"whole", "direct"}
    for row in result.values():
        for figure in ("overhead", "gain"):
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


def test_the_table_states_figures_counts_and_machine(result: dict) -> None:  # type: ignore[type-arg]
    text = engine.markdown(result)
    assert "| direct | gain | ≥ 2 |" in text
    assert "cells 72" in text
    assert "torch" in text


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "engine.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for rows, name in (("whole", "all 12"), ("direct", "direct alone")):
        for figure in ("overhead", "gain"):
            cells = [f"{q['median']:.2f} ({q['low']:.2f}-{q['high']:.2f})" for q in result[rows][figure].values()]
            start = f"| {name} | {result[rows]['scale']['samples']} | {figure} | "
            (line,) = (line for line in page.splitlines() if line.startswith(start))
            assert line.endswith(f"| {' | '.join(cells)} |")


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
