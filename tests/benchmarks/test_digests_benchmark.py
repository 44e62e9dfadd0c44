"""The benchmark of digests, at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import json

from benchmarks import digests
from tests.conftest import ROOT


def test_figures_have_medians_and_quartiles() -> None:
    found = digests.benchmark(200, 2)
    for name in ("first", "again", "bare", "first over bare", "again over bare"):
        assert 0 < found[name]["low"] <= found[name]["median"] <= found[name]["high"]
    assert "Listing 200 files" in digests.text(found)


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads(digests.OUT.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert digests.text(result) in " ".join(page.split())
