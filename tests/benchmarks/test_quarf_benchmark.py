"""The benchmark of QuARF's routing, at a size that takes a second; no time is asserted."""

from __future__ import annotations

import json

from benchmarks import quarf
from tests.conftest import ROOT


def test_hard_routing_does_a_quarter_of_the_work() -> None:
    found = quarf.results(2, 1, ((1, 32, 8, 8),))
    assert [each["experts"] for each in found["rows"]] == list(quarf.KINDS)
    router = quarf.DIMENSION * 16
    for each in found["rows"]:
        for name in ("soft", "hard", "plain"):
            assert 0 < each[name]["wall"]["low"] <= each[name]["wall"]["median"] <= each[name]["wall"]["high"]
        if each["experts"] == "dilated":
            assert each["soft"]["macs"] - router == each["plain"]["macs"] == 4 * (each["hard"]["macs"] - router)


def test_the_committed_result_is_of_the_same_blocks_and_says_that_hard_is_faster() -> None:
    kept = json.loads((ROOT / "benchmarks" / "results" / "quarf.json").read_text(encoding="utf-8"))
    assert {(each["experts"], tuple(each["shape"])) for each in kept["rows"]} == {
        (kind, shape) for kind in quarf.KINDS for shape in quarf.SHAPES
    }
    assert all(each["soft / hard"] > 1 for each in kept["rows"])
