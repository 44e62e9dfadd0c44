"""Samples in groups, such as frames of videos: groups are resampled and counted, and a few of them say nothing."""

from __future__ import annotations

import re
import runpy
from dataclasses import replace

import numpy as np
import pytest
from fake_run import FakeRun, row, table
from scipy.stats import ttest_rel

from qbench.report.build import build, report
from qbench.report.groups import groups_of
from qbench.report.render import RENDERERS
from qbench.report.source import load
from tests.conftest import ROOT

FRAMES = 20


def column(*names, error=None):
    return {"group": np.array(names), "error": np.array(error or [""] * len(names))}


def test_groups_are_those_that_any_cell_names():
    """The third sample is unreadable in the first cell, the fourth in both; the last has no group of its own."""
    bad = "cannot be decoded"
    one = column("b", "a", "", "", "", error=["", "", bad, bad, ""])
    two = column("b", "a", "a", "", "", error=["", "", "", bad, ""])
    groups = groups_of([one, two])
    assert groups.of[1] == groups.of[2] != groups.of[0]
    assert groups.of[4] not in groups.of[:4]
    assert groups.among(np.array([1, 1, 1, 0, 1], bool)) == groups.count == 3


def test_records_that_name_no_group_have_none():
    assert groups_of([column("", ""), {"error": np.array(["", ""])}]) is None
    assert groups_of([]) is None


def videos(count, gap=0.25, alike=0.9):
    """A run of so many videos: `better` gets some of direct's misses right, in whole videos more often than not."""
    generator = np.random.default_rng(5)
    names = [f"video {i // FRAMES:02d}" for i in range(count * FRAMES)]
    run = FakeRun(count * FRAMES, tables=("accuracy-by-quality",))
    hits = {}
    for method, rate in (("direct", 0.45), ("better", 0.45 + gap)):
        of_video = generator.beta(rate * (1 - alike) / alike, (1 - rate) * (1 - alike) / alike, count)
        hits[method] = (generator.random(len(names)) < np.repeat(of_video, FRAMES)).astype(int)
        run.cell(method, "jpeg@10", hits[method], groups=names)
    return run, hits


def test_intervals_and_p_values_are_those_of_the_groups():
    """Equal groups: Student's t over the means of the videos, far wider than over the frames."""
    run, hits = videos(40)
    shown = table(report(run.loaded()), "accuracy-by-quality")
    better = row(shown.groups[0], "better")
    means = [hits[method].reshape(-1, FRAMES).mean(axis=1) for method in ("better", "direct")]
    expected = ttest_rel(*means)
    interval = expected.confidence_interval(0.95)
    assert (better["gain"].low, better["gain"].high) == pytest.approx((interval.low, interval.high), abs=0.03)
    assert better["gain"].p == pytest.approx(expected.pvalue, rel=0.2)
    alone = ttest_rel(means[0], 0 * means[0]).confidence_interval(0.95)
    assert (better["jpeg@10"].low, better["jpeg@10"].high) == pytest.approx((alone.low, alone.high), abs=0.03)
    assert better["jpeg@10"].n == 40 * FRAMES
    assert "come from 40 groups" in " ".join(shown.remarks)


def test_a_difference_of_frames_is_none_of_videos():
    run, hits = videos(12)
    grouped = row(table(report(run.loaded()), "accuracy-by-quality").groups[0], "better")["gain"]
    for columns in run.columns.values():
        columns["group"] = np.full(len(hits["direct"]), "", dtype=object)
    by_frame = row(table(report(run.loaded()), "accuracy-by-quality").groups[0], "better")["gain"]
    assert grouped.value == by_frame.value
    assert by_frame.holds
    assert by_frame.p < 0.001 < 0.05 < grouped.p


def test_fewer_than_ten_groups_have_no_intervals_stars_or_letters(tmp_path):
    run, _ = videos(9, gap=0.5)
    whole = build(run.write(tmp_path))
    shown = table(whole, "accuracy-by-quality")
    values = [value for r in shown.groups[0].rows for value in r.values[:-1] if value.value is not None]
    assert len(values) == 5
    assert {(value.low, value.high, value.p, value.holds, value.letters, value.mark) for value in values} == {
        (None, None, None, False, "", "")
    }
    said = " ".join(shown.remarks)
    assert "its samples come from 9 groups" in said
    assert "Fewer than 10" in said
    for word in ("In brackets", "Holm", "score alike"):
        assert word not in said
    for form in ("md", "tex", "csv", "json", "png"):
        assert RENDERERS[form].render(whole)


def test_ten_groups_are_enough():
    shown = table(report(videos(10, gap=0.5)[0].loaded()), "accuracy-by-quality")
    assert row(shown.groups[0], "better")["gain"].low is not None


def test_stored_and_exported_records_have_the_same_groups(tmp_path):
    from qbench.report.export import export

    run, _ = videos(12)
    run.write(tmp_path / "run")
    export(load(tmp_path / "run", whole=True), tmp_path / "export")
    pages = [RENDERERS["csv"].render(build(tmp_path / name)) for name in ("run", "export")]
    assert pages[0] == pages[1]
    loaded = load(tmp_path / "export")
    assert loaded.resampling(loaded.info.cells[0].cell).groups.count == 12


def test_the_committed_frames_of_camvid_are_of_two_sequences():
    loaded = load(ROOT / "reports" / "segmentation-camvid")
    assert loaded.resampling(loaded.info.cells[0].cell).groups.count == 2
    said = [" ".join(one.remarks) for one in report(loaded).tables if one.name == "accuracy-by-class"]
    assert all("its samples come from 2 groups" in remarks for remarks in said)


def test_groups_are_added_to_an_export_by_a_rule():
    grouped = runpy.run_path(str(ROOT / "tools" / "add_groups.py"))["grouped"]
    whole = load(ROOT / "reports" / "segmentation-camvid", whole=True)
    place, records = next(iter(whole.records.items()))
    without = {name: values for name, values in records.items() if name != "group"}
    old = replace(whole, records={place: without}, absent={"segmentation": ("group", "facts")})
    made = grouped(old, re.compile("([^/_]+)_[^/]*$"))
    assert made.absent == whole.absent == {"segmentation": ("facts",)}
    assert list(made.records[place]) == list(records)
    assert (made.records[place]["group"] == records["group"]).all()
    with pytest.raises(ValueError, match="have groups"):
        grouped(whole, re.compile("(.)"))
