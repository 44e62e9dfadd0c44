"""A suite whose every item has a label of its own has the numbers and tables of the same suite without labels."""

from __future__ import annotations

from typing import Any

import pytest

import qbench
from qbench import registry
from qbench.report.build import build
from qbench.report.leaderboard import Report
from qbench.report.render.tidy import rows
from tests.conftest import PLUGIN

LABELS = {
    "scenes": "die Daten", "toy": "das Netz", "clean": "unberührt", "awgn15": "Rauschen", "awgn25": "jpeg@10",
    "jpeg@25": "fog/3", "jpeg@7": "clean enough", "rejpeg×2": "×2", "fog/2": "Nebel", "fog/4": "direct",
    "direct": "nichts", "median3": "Median", "top1": "Treffer", "nll": "Verlust",
}  # fmt: skip
"""What is called how; two labels look like names of other items."""
KINDS = ("dataset", "condition", "model", "method")
CONDITIONS = {
    "clean": {"clean": {}},
    "awgn15": {"awgn": {"sigma": 15}},
    "awgn25": {"awgn": {"sigma": 25}},
    "jpeg@25": {"jpeg": {"quality": 25}},
    "jpeg@7": {"jpeg": {"quality": 7}},
    "rejpeg×2": {"rejpeg": {"times": 2}},
    "fog/2": {"fog": {"severity": 2}},
    "fog/4": {"fog": {"severity": 4}},
}


def suite(labelled: bool) -> dict[str, Any]:
    """The same suite, with a label on every item or on none."""

    def named(key: str, item: dict[str, Any]) -> dict[str, Any]:
        ((name, params),) = item.items()
        return {name: {**params, **({"label": LABELS[key]} if labelled else {})}}

    return {
        "suite": "labels",
        "seed": 3,
        "tasks": [
            {
                "dataset": named("scenes", {"scenes": {"count": 12}}),
                "models": [named("toy", {"toy": {}})],
                "conditions": [named(key, item) for key, item in CONDITIONS.items()],
                "methods": [named("direct", {"direct": {}}), named("median3", {"median3": {}})],
                "metrics": [named("top1", {"top1": {}}), named("nll", {"nll": {}})],
            }
        ],
        "tables": [
            "accuracy-by-quality", "accuracy-by-times", "accuracy-by-rate", "accuracy-by-corruption",
            "accuracy-by-severity", "accuracy-by-condition", "accuracy-by-class",
            "corruption-errors", "calibration",
        ],
        "controls": [{"control": LABELS["direct"] if labelled else "direct"}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[qbench.Results, qbench.Results]:
    registry.load_file(PLUGIN)
    out = tmp_path_factory.mktemp("labels")
    plain, labelled = (
        qbench.run(suite(given), out=out / str(given), device="cpu", own_store=True) for given in (False, True)
    )
    return plain, labelled


def test_keys_records_families_and_axes_are_those_of_the_items(runs: tuple[qbench.Results, qbench.Results]) -> None:
    plain, labelled = (results.info.cells for results in runs)
    for one, other in zip(plain, labelled, strict=True):
        assert (one.status, one.cell.key, one.cell.condition.axis) == (
            "done",
            other.cell.key,
            other.cell.condition.axis,
        )
        for kind in KINDS:
            item, again = getattr(one.cell, kind), getattr(other.cell, kind)
            assert again == item.model_copy(update={"label": again.label})
            assert again.label in LABELS.values()
    columns = [name for name in runs[0].records().columns if name not in KINDS]
    assert runs[0].records()[columns].equals(runs[1].records()[columns])


def shown(report: Report, labels: dict[str, str]) -> list[dict[str, Any]]:
    """Every number of a report, in order; labels as the names that they stand for."""

    def named(text: Any) -> Any:
        return labels.get(text, text) if isinstance(text, str) else text

    return [{field: named(value) for field, value in row.items()} for row in rows(report)]


def test_tables_are_the_same_apart_from_names(runs: tuple[qbench.Results, qbench.Results]) -> None:
    plain, labelled = (build(results.folder) for results in runs)
    pairs = [(one.cell, two.cell) for one, two in zip(runs[0].info.cells, runs[1].info.cells, strict=True)]
    names = {getattr(two, kind).label: getattr(one, kind).label for one, two in pairs for kind in KINDS}
    names |= {LABELS["top1"]: "top1", LABELS["nll"]: "nll", f"against {LABELS['direct']}": "against direct"}
    assert shown(labelled, names) == shown(plain, {})
    assert {row["column"] for row in rows(labelled)} >= {"average", "gain", "unberührt"}
    assert [table.title for table in labelled.tables] == [table.title for table in plain.tables]


def test_scores_have_the_intervals_of_the_dataset_whatever_it_is_called(
    runs: tuple[qbench.Results, qbench.Results],
) -> None:
    columns = ["value", "low", "high", "n"]
    assert runs[0].scores()[columns].equals(runs[1].scores()[columns])
