"""The drift observation at a size that takes seconds, and its angles by hand."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import afd_drift
from qbench.data.scenes import scene
from qbench.models.builtin.declared import Builtin
from tests.conftest import ROOT


def test_angles_by_hand() -> None:
    first = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [3.0, 4.0]]).T[None]
    second = torch.tensor([[0.0, 2.0], [5.0, 0.0], [1.0, 0.0], [-6.0, -8.0]]).T[None]
    torch.testing.assert_close(afd_drift.angle(first, second), torch.tensor([[90.0, 45.0, 0.0, 180.0]]).double())


def test_more_compression_turns_blocks_further() -> None:
    cut = Builtin("scenes").build().cut("D2")
    found = afd_drift.benchmark([scene("test", index).image for index in range(12)], cut, blocks=20, resamples=20)
    assert [row["blocks"] for row in found.values()] == [240] * 4
    for name in ("mean DA", "mean FA"):
        values = [row[name] for row in found.values()]
        assert values == sorted(values)
    with pytest.raises(ValueError, match="stride"):
        afd_drift.benchmark([], Builtin("scenes").build().cut("stages.2"))


@pytest.mark.parametrize("name", ["afd_drift", "afd_drift_photos"])
def test_the_page_says_what_the_committed_result_says(name: str) -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    page = (ROOT / "docs" / "methods" / "afd.md").read_text(encoding="utf-8")
    assert afd_drift.table(result) in page
