"""Fingerprints and counts of methods as reports show them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import qbench
from qbench import registry
from qbench.report.build import build
from qbench.report.export import export
from qbench.report.leaderboard import Protocol, Report
from qbench.report.render import latex, markdown, terminal, tidy
from qbench.report.source import load
from qbench.runs import run_info
from qbench.runs.upkeep import contents
from tests.conftest import PLUGIN


def run(folder: Path, *methods: Any, name: str = "one", limit: int | None = None) -> Path:
    """A run of the toy network in the store beside all runs of `folder`."""
    suite = {
        "suite": name, "seed": 1, "tables": ["accuracy-by-quality", "efficiency"],
        "tasks": [
            {
                "dataset": {"name": "scenes", "count": 6}, "models": ["toy"], "methods": list(methods),
                "conditions": ["clean", {"jpeg": {"quality": [25, 7]}}],
            }
        ],
    }  # fmt: skip
    qbench.run(suite, out=folder / name, store=folder / "store", device="cpu", limit=limit)
    return folder / name


def protocol(report: Report | Path) -> Protocol:
    """Of the table by quality; that of efficiency, which is of a machine, has none."""
    scores, costs = (build(report) if isinstance(report, Path) else report).tables
    assert [group.protocol for group in costs.groups] == [None] * len(costs.groups)
    (found,) = (group.protocol for group in scores.groups)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def toy_plugin() -> None:
    registry.load_file(PLUGIN)


def test_runs_of_other_methods_have_one_fingerprint_and_the_store_counts_them(tmp_path: Path) -> None:
    one = run(tmp_path, "direct")
    assert protocol(one).fingerprint.startswith("qb1-")
    assert (protocol(one).methods, protocol(one).variants) == (1, 1)
    two = run(tmp_path, "direct", "median3", "damp", {"damp": {"factor": 0.25, "label": "less"}}, name="two")
    assert protocol(two) == protocol(one) == Protocol(protocol(one).fingerprint, 3, 4)
    run(tmp_path, "direct", name="two")
    assert protocol(one).variants == 4
    limited = run(tmp_path, "direct", name="three", limit=4)
    assert (protocol(limited).methods, protocol(limited).variants) == (1, 1)
    assert protocol(limited).fingerprint != protocol(one).fingerprint
    assert contents(tmp_path / "store").foreign == []


def test_an_export_keeps_the_counts_of_its_time(tmp_path: Path) -> None:
    folder = run(tmp_path, "direct", "median3")
    before = protocol(folder)
    export(load(folder, whole=True), tmp_path / "export")
    run(tmp_path, "damp", name="two")
    assert protocol(folder).variants == 3
    assert protocol(tmp_path / "export") == before


def test_every_format_says_it(tmp_path: Path) -> None:
    report = build(run(tmp_path, "direct", "median3"))
    found = protocol(report)
    out = io.StringIO()
    terminal.show(report, Console(file=out, width=150))
    for text in (markdown.page(report), latex.page(report), out.getvalue()):
        assert found.fingerprint in text
        assert "Scored on these samples so far: 2 methods in 2 variants." in text
    lines = list(csv.DictReader(io.StringIO(tidy.csv_text(report))))
    assert {line["protocol"] for line in lines if line["table"] == "accuracy-by-quality"} == {found.fingerprint}
    data = json.loads(tidy.json_text(report))
    assert data["protocols"] == [{"fingerprint": found.fingerprint, "methods": 2, "variants": 2}]
    assert {row["protocol"] for row in data["rows"]} == {found.fingerprint, ""}


def test_records_that_do_not_know_their_protocol_show_none(tmp_path: Path) -> None:
    folder = run(tmp_path, "direct")
    info = run_info.read(folder)
    cells = [result.model_copy(update={"protocol": ""}) for result in info.cells]
    run_info.write(folder, info.model_copy(update={"cells": tuple(cells)}))
    report = build(folder)
    assert [group.protocol for table in report.tables for group in table.groups if group.protocol] == []
    assert "Protocol" not in markdown.page(replace(report))
