"""Relative performance under corruption in tables, against its definition by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fake_run import FakeRun

from qbench.compute.cell import MetricItem
from qbench.registry import metric
from qbench.report.leaderboard import Column, Group, Row, Table, Value
from qbench.report.render import picture
from qbench.report.score import Draws, Scored, point, relative
from qbench.report.source import load
from qbench.tasks.classification.metrics import Top1
from qbench.tasks.detection.metrics import rpc


@metric("share-for-rpc", task="classification")
class Share(Top1):
    """Top-1 with a relative performance."""

    relative = staticmethod(rpc)


def test_families_count_alike_whatever_their_severities(tmp_path):
    fake = FakeRun(100)
    share = {"clean": 80, "fog/1": 60, "fog/2": 40, "fog/3": 20, "snow/1": 70}
    for condition, count in share.items():
        fake.cell("direct", condition, (np.arange(100) < count).astype(int))
    loaded = load(fake.write(tmp_path))
    scored = Scored(MetricItem(name="share-for-rpc"))
    points = {cell.cell.condition.label: point(scored, [cell], loaded.records) for cell in loaded.info.cells}
    families = {"fog": [points[f"fog/{i}"] for i in (1, 2, 3)], "snow": [points["snow/1"]]}
    value = relative(points["clean"], families, Draws(0, "data"))
    assert value.value == pytest.approx((0.4 + 0.7) / 2 / 0.8)
    assert value.low < value.value < value.high
    same = relative(points["clean"], {"clean": [points["clean"]]}, Draws(0, "data"))
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))


def test_the_picture_has_the_conditions_alone_on_its_axis():
    from matplotlib.figure import Figure

    heads = {"clean": "clean", "jpeg@7": "Q7", "average": "average", "rpc": "rPC"}
    columns = tuple(Column(name, heading, "percent", True) for name, heading in heads.items())
    row = Row("direct", False, tuple(Value(0.5, 0.4, 0.6) for _ in columns))
    found = Group({"dataset": "data"}, columns, (row,))
    axes = Figure().subplots()
    picture._panel(axes, Table("accuracy-by-quality", "a title", (found,)), found, ["direct"])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["clean", "Q7"]


def test_a_metric_without_it_has_none(tmp_path):
    fake = FakeRun(10)
    fake.cell("direct", "clean", np.ones(10, int))
    loaded = load(fake.write(tmp_path))
    (cell,) = loaded.info.cells
    one = point(Scored(MetricItem(name="top1")), [cell], loaded.records)
    assert relative(one, {"clean": [one]}, Draws(0, "data")).value is None


def test_resamples_of_a_point_are_drawn_once(tmp_path, monkeypatch):
    fake = FakeRun(10)
    fake.cell("direct", "clean", np.arange(10) % 2)
    loaded = load(fake.write(tmp_path))
    one = point(Scored(MetricItem(name="top1")), list(loaded.info.cells), loaded.records)
    first = one.bootstrap(Draws(0, "data"), one.counts)
    assert one.bootstrap(Draws(0, "data"), one.counts) is first
    assert one.bootstrap(Draws(1, "data"), one.counts) is not first
    half = one.counts & (np.arange(10) < 5)
    assert not np.array_equal(one.bootstrap(Draws(0, "data"), half), first)
