"""Relative performance under corruption in tables, against its definition by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fake_run import FakeRun

from qbench.compute.cell import MetricItem
from qbench.registry import metric
from qbench.report.grid import Grids
from qbench.report.leaderboard import Column, Group, Row, Table, Value
from qbench.report.render import picture
from qbench.report.source import load
from qbench.report.values import relative
from qbench.tasks.classification.metrics import Top1
from qbench.tasks.detection.metrics import rpc


@metric("share-for-rpc", task="classification")
class Share(Top1):
    """Top-1 with a relative performance."""

    relative = staticmethod(rpc)


def grid_of(fake, folder, metric="top1"):
    (grid,) = Grids(load(fake.write(folder))).of("classification", MetricItem(name=metric))
    return grid


def points_of(grid):
    """By the condition's label, of the only method."""
    (method,) = grid.methods()
    return {condition.label: grid.point(method, condition) for condition in grid.conditions}


def test_families_count_alike_whatever_their_severities(tmp_path):
    fake = FakeRun(100, metric="share-for-rpc")
    share = {"clean": 80, "fog/1": 60, "fog/2": 40, "fog/3": 20, "snow/1": 70}
    for condition, count in share.items():
        fake.cell("direct", condition, (np.arange(100) < count).astype(int))
    points = points_of(grid_of(fake, tmp_path, "share-for-rpc"))
    families = {"fog": [points[f"fog/{i}"] for i in (1, 2, 3)], "snow": [points["snow/1"]]}
    value = relative(points["clean"], families)
    assert value.value == pytest.approx((0.4 + 0.7) / 2 / 0.8)
    assert value.low < value.value < value.high
    same = relative(points["clean"], {"clean": [points["clean"]]})
    assert (same.value, same.low, same.high) == (pytest.approx(1), None, None)


def test_the_picture_has_the_conditions_alone_on_its_axis():
    from matplotlib.figure import Figure

    heads = {"clean": "clean", "jpeg@7": "jpeg@7", "average": "average", "rpc": "rPC"}
    columns = tuple(Column(name, heading, "percent", True) for name, heading in heads.items())
    row = Row("direct", False, tuple(Value(0.5, 0.4, 0.6) for _ in columns))
    group = Group({"dataset": "data"}, columns, (row,))
    axes = Figure().subplots()
    picture._panel(axes, Table("accuracy-by-quality", "a title", (group,)), group, ["direct"])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["clean", "jpeg@7"]


def test_a_metric_without_it_has_none(tmp_path):
    fake = FakeRun(10)
    fake.cell("direct", "clean", np.ones(10, int))
    clean = points_of(grid_of(fake, tmp_path))["clean"]
    assert relative(clean, {"clean": [clean]}).value is None


def test_a_point_is_made_and_resampled_once(tmp_path):
    fake = FakeRun(10)
    fake.cell("direct", "clean", np.arange(10) % 2)
    grid = grid_of(fake, tmp_path)
    point = points_of(grid)["clean"]
    assert points_of(grid)["clean"] is point
    distribution = point.bootstrap()
    assert point.bootstrap(point.counts.copy()) is distribution
    half = point.counts & (np.arange(10) < 5)
    assert not np.array_equal(point.bootstrap(half), distribution)
