"""The benchmark of the boundary, at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import pytest

from benchmarks import boundary


@pytest.mark.parametrize("row", ["plug-ins", "built-in"])
def test_both_ways_give_the_same_records(row: str) -> None:
    """The benchmark itself asserts it."""
    found = boundary.benchmark(row, samples=2, repetitions=1)
    assert set(found["with / without"]) == {"wall", "processor"}


def test_without_the_boundary_a_plug_in_passes_as_it_is() -> None:
    from qbench.boundary import ForeignCondition
    from qbench.registry.create import create
    from qbench.registry.named import Named

    named = Named(name="boundary-jpeg")
    assert isinstance(create("condition", named), ForeignCondition)
    with boundary.without():
        assert isinstance(create("condition", named), boundary.Jpeg)
