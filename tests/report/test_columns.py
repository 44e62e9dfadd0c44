"""Columns of record files as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from qbench.errors import StoreError
from qbench.report.columns import Columns

FILE = Path("records.parquet")
KINDS = {
    "id": ["a", "b", "a", "ü"],
    "error": ["", "", "cannot be read", ""],
    "target": [3, -1, 0, 2**31 - 1],
    "bpp": [0.5, float("nan"), 2.0, 0.0],
    "labelled": [True, False, True, True],
    "tp": [[1, 2], [3, 4], [0, 0], [5, 6]],
    "det_scores": [[0.5], [], [0.25, 0.125], []],
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("start", [0, 1])
def test_a_column_is_its_values_in_whole_files_and_in_slices(name: str, start: int) -> None:
    table = pa.table({name: KINDS[name]}).slice(start)
    values = Columns().of(FILE, table)[name]
    assert len(values) == 4 - start
    for found, expected in zip(values, KINDS[name][start:], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", KINDS)
def test_a_column_in_pieces_is_that_of_one_piece(name: str) -> None:
    table = pa.table({name: KINDS[name]})
    pieces = pa.concat_tables([table.slice(0, 1), table.slice(1, 1), table.slice(2)])
    columns = Columns()
    assert columns.of(FILE, pieces)[name] is columns.of(FILE, table)[name]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "b"], ["b", "a"]),
        (["a", ""], ["a", "b"]),
        (["ab", "c"], ["a", "bc"]),
        ([1, 2], [1, 3]),
        ([0.0, 1.0], [-0.0, 1.0]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[], [1]], [[1], []]),
        ([1, 0], [1.0, 0.0]),
        ([True, False], pa.array([1, 0], pa.uint8())),
        (pa.array([1, 0], pa.int32()), pa.array([1, 0], pa.int64())),
        (pa.array([1, 0], pa.int64()), pa.array([1, 0], pa.uint64())),
        ([], ["a"]),
    ],
)
def test_columns_that_differ_are_told_apart(one: object, other: object) -> None:
    columns = Columns()
    tables = [pa.table({"x": values}) for values in (one, other)]
    first, second, again = (columns._array(table["x"]) for table in (*tables, tables[0]))
    assert again is first
    assert second is not first


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("confidence", [0.1, 1.5, float("nan")], "1.5"),
        ("confidence", [float("nan"), -0.5, 0.1], "-0.5"),
        ("bpp", [float("-inf"), 1.0, 2.0], "-inf"),
        ("rank", [0, -2, 1], "-2"),
        ("target", [0.5, 1.0, 2.0], "type float64"),
        ("error", [1, 2, 3], "type int64"),
        ("target", ["a", "b", "c"], "type <U1"),
        ("gt_crowd", [[0, 1], [1, 2], [0, 0]], "2"),
        ("tp", [1, 2, 3], "single values"),
        ("nll", [[1.0], [2.0], [3.0]], "lists"),
    ],
)
def test_what_a_column_cannot_hold_is_told(name: str, values: object, fault: str) -> None:
    with pytest.raises(StoreError, match=f"its column '{name}' holds .*{fault}"):
        Columns().of(FILE, pa.table({name: values}))


@pytest.mark.parametrize("name", ["confidence", "bpp", "nll"])
def test_no_number_at_all_fits_everywhere(name: str) -> None:
    values = Columns().of(FILE, pa.table({name: [float("nan")] * 3}))[name]
    assert np.isnan(values).all()


def test_a_column_of_another_kind_is_damage() -> None:
    with pytest.raises(StoreError, match="of kinds that records do not have"):
        Columns().of(FILE, pa.table({"x": [{"a": 1}, {"a": 2}]}))
