"""Tables by rate, corruption and severity against averages taken by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_run import FakeRun, table

from qbench.report.build import build
from qbench.report.emit import write
from qbench.report.export import export
from qbench.report.leaderboard import Group, Report
from qbench.report.render import picture
from qbench.report.render.text import text_table
from qbench.report.render.tidy import rows
from qbench.report.source import load

CORRUPTIONS = ("fog/1", "fog/3", "snow/1", "snow/3")


def hits(seed: int, count: int = 60) -> list[int]:
    return list(np.random.default_rng(seed).integers(0, 2, count))


def group(report: Report, name: str) -> Group:
    (only,) = table(report, name).groups
    return only


def test_columns_of_corruptions_and_severities_are_means_of_their_conditions(tmp_path: Path) -> None:
    fake = FakeRun(60, tables=("accuracy-by-corruption", "accuracy-by-severity"))
    means = {}
    for method in ("direct", "other"):
        fake.cell(method, "clean", hits(99))
        for number, condition in enumerate(CORRUPTIONS):
            right = hits(number + 10 * (method == "other"))
            fake.cell(method, condition, right)
            means[method, condition] = np.mean(right)
    report = build(fake.write(tmp_path))
    for name, parts in [
        ("accuracy-by-corruption", {"fog": CORRUPTIONS[:2], "snow": CORRUPTIONS[2:]}),
        ("accuracy-by-severity", {"1": CORRUPTIONS[::2], "3": CORRUPTIONS[1::2]}),
    ]:
        shown = group(report, name)
        assert [column.heading for column in shown.columns] == ["clean", *parts, "average", "gain", "n"]
        for row in shown.rows:
            for value, conditions in zip(row.values[1:3], parts.values(), strict=True):
                assert value.value == pytest.approx(np.mean([means[row.method, c] for c in conditions]))
                assert value.low < value.value < value.high  # type: ignore[operator]
            average = np.mean([means[row.method, c] for c in CORRUPTIONS])
            assert row.values[3].value == pytest.approx(average)
    assert [shown.name for shown in report.tables] == ["accuracy-by-corruption", "accuracy-by-severity"]


def test_one_missing_severity_leaves_its_mean_out(tmp_path: Path) -> None:
    fake = FakeRun(60, tables=("accuracy-by-corruption",))
    for condition in CORRUPTIONS[:3]:
        fake.cell("direct", condition, hits(1))
    fake.cell("direct", CORRUPTIONS[3], status="failed", reason="no texture")
    (row,) = group(build(fake.write(tmp_path)), "accuracy-by-corruption").rows
    assert [value.missing for value in row.values[:3]] == ["", "failed", "–"]


def by_rate(tmp_path: Path) -> Report:
    fake = FakeRun(60, tables=("accuracy-by-rate",))
    rates = {"jpeg@9": 0.3, "jpeg@30": 0.7, "webp@9": 0.2, "webp@30": 0.5}
    fake.cell("direct", "clean", hits(0))
    for number, (condition, bpp) in enumerate(rates.items()):
        fake.cell("direct", condition, hits(number), bpp=bpp, bad=[3])
    fake.cell("direct", "fog/2", hits(7))
    return build(fake.write(tmp_path))


def test_a_table_by_rate_is_in_the_order_of_measured_bits_per_pixel(tmp_path: Path) -> None:
    report = by_rate(tmp_path)
    shown = group(report, "accuracy-by-rate")
    heads = [column.heading for column in shown.columns][1:5]
    assert heads == ["jpeg@30: 0.70 bpp", "webp@30: 0.50 bpp", "jpeg@9: 0.30 bpp", "webp@9: 0.20 bpp"]
    rates = {row["column"]: row["bpp"] for row in rows(report) if row["table"] == "accuracy-by-rate"}
    mean = 0.3 + np.delete(np.linspace(-0.1, 0.1, 60), 3).mean()
    assert rates["jpeg@9"] == pytest.approx(mean, abs=1e-5)
    assert rates["average"] is None


def test_conditions_without_a_rate_are_shown_by_name_instead(tmp_path: Path) -> None:
    shown = group(by_rate(tmp_path), "accuracy-by-condition")
    assert [column.name for column in shown.columns][:3] == ["clean", "fog/2", "average"]


def test_the_picture_has_a_curve_for_each_codec_at_its_rates(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    report = by_rate(tmp_path)
    drawn_table, shown = picture.panels(report)[0]
    axes = Figure().subplots()
    picture._panel(axes, drawn_table, shown, ["direct"])
    curves = {line.get_label(): list(line.get_xdata()) for line in axes.get_lines()}
    assert set(curves) == {"jpeg", "webp"}
    assert curves["webp"] == pytest.approx([0.2, 0.5], abs=0.01)
    assert "README.md" in {file.name for file in write(report, tmp_path / "out")}


def test_an_export_without_rates_has_no_place_on_their_axis(tmp_path: Path) -> None:
    fake = FakeRun(60, tables=("accuracy-by-rate", "accuracy-by-quality"))
    fake.cell("direct", "jpeg@9", hits(0), bpp=0.3)
    loaded = load(fake.write(tmp_path / "run"), whole=True)
    (columns,) = loaded.records.values()
    records = {place: {name: columns[name] for name in columns if name != "bpp"} for place in loaded.records}
    export(replace(loaded, records=records, absent={"classification": ("bpp",)}), tmp_path / "export")
    by_rate, by_quality = build(tmp_path / "export").tables
    assert by_rate.empty
    assert by_quality.groups


def test_a_wide_table_is_turned_and_keeps_every_number(tmp_path: Path) -> None:
    fake = FakeRun(60, tables=("accuracy-by-condition",))
    for method in ("direct", "other"):
        for number in range(12):
            fake.cell(method, f"odd{number}", hits(number + 100 * (method == "other")))
    shown = group(build(fake.write(tmp_path)), "accuracy-by-condition")
    turned = text_table(shown)
    assert turned.heads == ("condition", "direct", "other")
    assert [title for title, _ in turned.lines] == [column.heading for column in shown.columns]
    for index, (_, values) in enumerate(turned.lines):
        assert values == tuple((row.values[index], shown.columns[index]) for row in shown.rows)
