"""The benchmark of QuARF's routing, at a size that takes a second; no time is asserted."""

from __future__ import annotations

import json

from benchmarks import quarf
from tests.conftest import ROOT


def test_hard_routing_does_a_quarter_of_the_work() -> None:
    result = quarf.results(2, 1, ((1, 32, 8, 8),))
    assert [row["experts"] for row in result["rows"]] == list(quarf.KINDS)
    router = quarf.DIMENSION * 16
    for row in result["rows"]:
        for name in ("soft", "hard", "plain"):
            assert 0 < row[name]["wall"]["low"] <= row[name]["wall"]["median"] <= row[name]["wall"]["high"]
        if row["experts"] == "dilated":
            assert row["soft"]["macs"] - router == row["plain"]["macs"] == 4 * (row["hard"]["macs"] - router)


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "quarf.json").read_text(encoding="utf-8"))
    assert {(row["experts"], tuple(row["shape"])) for row in result["rows"]} == {
        (kind, shape) for kind in quarf.KINDS for shape in quarf.SHAPES
    }
    assert quarf.table(result) in (ROOT / "docs" / "methods" / "quarf.md").read_text(encoding="utf-8")
