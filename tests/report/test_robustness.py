"""Tables of corruption errors, of robustness to compressions, of the worst case and of calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_run import FakeRun, row, table

from qbench.report.build import build
from qbench.report.export import export
from qbench.report.source import load
from qbench.report.tables.corruption_errors import ALEXNET
from qbench.tasks.classification.metrics import AdaptiveCalibrationError, RiskCoverage

PRINTED = {
    "gaussian_noise": 88.6, "shot_noise": 89.4, "impulse_noise": 92.3, "defocus_blur": 82.0, "glass_blur": 82.6,
    "motion_blur": 78.6, "zoom_blur": 79.8, "snow": 86.7, "frost": 82.7, "fog": 81.9, "brightness": 56.5,
    "contrast": 85.3, "elastic_transform": 64.6, "pixelate": 71.8, "jpeg_compression": 60.7,
}  # fmt: skip
"""AlexNet's errors as papers print them."""


def hits(count: int, n: int = 200) -> np.ndarray:
    return (np.arange(n) < count).astype(int)


def corrupted(corruptions=tuple(PRINTED), severities=(1, 2, 3, 4, 5)) -> tuple[FakeRun, dict[str, list[float]]]:
    """A run of 200 samples, and its error under each severity of each corruption; 0.2 on clean pictures."""
    fake = FakeRun(200, tables=("corruption-errors",))
    fake.cell("direct", "clean", hits(160))
    errors: dict[str, list[float]] = {}
    for place, name in enumerate(corruptions):
        for severity in severities:
            right = 150 - 3 * place - 10 * severity
            fake.cell("direct", f"{name}/{severity}", hits(right))
            errors.setdefault(name, []).append(1 - right / 200)
    return fake, errors


def test_alexnet_s_errors_are_those_that_papers_print() -> None:
    assert {name: 100 * error for name, error in ALEXNET.items()} == pytest.approx(PRINTED, abs=0.06)


def test_mce_is_the_mean_of_errors_over_alexnet_s(tmp_path: Path) -> None:
    fake, errors = corrupted()
    values = row(table(fake.write(tmp_path), "corruption-errors").groups[0], "direct")
    ce = {name: sum(errors[name]) / 5 / ALEXNET[name] for name in errors}
    lost = [(sum(errors[name]) / 5 - 0.2) / (ALEXNET[name] - 0.435) for name in errors]
    assert {name: values[name].value for name in ce} == pytest.approx(ce)
    assert values["mce"].value == pytest.approx(sum(ce.values()) / 15)
    assert values["relative-mce"].value == pytest.approx(sum(lost) / 15)
    assert values["mean"].value == pytest.approx(np.mean(list(errors.values())))
    assert values["clean"].value == pytest.approx(0.2)
    assert values["clean"].low < 0.2 < values["clean"].high
    for name in ("mce", "relative-mce", "fog"):
        assert values[name].low < values[name].value < values[name].high
    assert "mean-ce" not in values


def test_what_has_no_published_error_takes_no_part_and_says_why(tmp_path: Path) -> None:
    names = (*(name for name in PRINTED if name != "frost"), "frost_procedural")
    fake, errors = corrupted(names)
    shown = table(fake.write(tmp_path), "corruption-errors")
    values = row(shown.groups[0], "direct")
    assert [values[name].missing for name in ("mce", "relative-mce", "frost_procedural")] == ["n/a"] * 3
    assert "frost_procedural" in shown.notes[values["frost_procedural"].note - 1]
    assert "not here: frost" in shown.notes[values["mce"].note - 1]
    of_fourteen = np.mean([np.mean(errors[name]) / ALEXNET[name] for name in names[:-1]])
    assert values["mean-ce"].value == pytest.approx(of_fourteen)
    assert [c.heading for c in shown.groups[0].columns if c.name == "mean-ce"] == ["mean CE of 14"]
    assert values["mean"].value == pytest.approx(np.mean([np.mean(errors[name]) for name in names]))


def test_a_corruption_without_all_severities_has_no_ce(tmp_path: Path) -> None:
    fake, _ = corrupted(("fog", "snow"), (1, 3))
    shown = table(fake.write(tmp_path), "corruption-errors")
    values = row(shown.groups[0], "direct")
    assert values["fog"].missing == values["mce"].missing == "n/a"
    assert "here: 1, 3" in shown.notes[values["fog"].note - 1]
    assert values["mean"].value is not None


def compressed(counts: dict[int, int], clean: int | None = 80, n: int = 100) -> FakeRun:
    fake = FakeRun(n, tables=("compression-robustness",))
    generator = np.random.default_rng(0)
    if clean is not None:
        fake.cell("direct", "clean", generator.permutation(hits(clean, n)))
    for times, right in counts.items():
        fake.cell("direct", f"rejpeg×{times}", generator.permutation(hits(right, n)))
    return fake


def test_robustness_is_the_mean_over_five_counts_over_clean(tmp_path: Path) -> None:
    counts = {1: 70, 2: 60, 3: 50, 4: 45, 5: 40}
    fake = compressed(counts)
    shown = table(fake.write(tmp_path), "compression-robustness")
    values = row(shown.groups[0], "direct")
    assert values["robustness"].value == pytest.approx((0.7 + 0.6 + 0.5 + 0.45 + 0.4) / 5 / 0.8)
    assert [values[f"times {n}"].value for n in range(1, 6)] == [0.7, 0.6, 0.5, 0.45, 0.4]
    assert values["worst"].value == 0.4
    assert shown.notes[values["worst"].note - 1] == "under rejpeg×5"
    remarks = " ".join(shown.remarks)
    for said in ("libjpeg_turbo", "4:2:0 chroma", "any of 25, 18, 15, 10, 7", "all on one grid"):
        assert said in remarks


def test_the_interval_of_robustness_is_about_that_of_the_delta_method(tmp_path: Path) -> None:
    n = 400
    fake = compressed({times: 300 - 30 * times for times in range(1, 6)}, clean=320, n=n)
    loaded = load(fake.write(tmp_path))
    ranks = [np.asarray(loaded.records[result.cell.place]["rank"]) == 0 for result in loaded.info.cells]
    value = row(table(build(tmp_path), "compression-robustness").groups[0], "direct")["robustness"]
    part, whole = np.mean(ranks[1:], axis=0), ranks[0].astype(float)
    gap = (part - value.value * whole) / whole.mean()
    reach = 1.966 * gap.std(ddof=1) / np.sqrt(n)
    assert (value.low, value.high) == pytest.approx((value.value - reach, value.value + reach), abs=0.12 * reach)


@pytest.mark.parametrize(("counts", "clean", "lacking"), [({1: 5, 3: 4}, 80, "×2, ×4, ×5"), ({1: 5}, None, "clean")])
def test_without_all_counts_there_is_no_robustness(tmp_path: Path, counts, clean, lacking: str) -> None:
    shown = table(compressed(counts, clean).write(tmp_path), "compression-robustness")
    values = row(shown.groups[0], "direct")
    assert values["robustness"].missing == "n/a"
    assert lacking in shown.notes[values["robustness"].note - 1]
    assert values["times 1"].value == pytest.approx(0.05)
    assert values["times 2"].missing == "–"


def test_nothing_right_on_clean_pictures_leaves_no_ratio(tmp_path: Path) -> None:
    fake = compressed(dict.fromkeys(range(1, 6), 0), clean=0)
    assert row(table(fake.write(tmp_path), "compression-robustness").groups[0], "direct")["robustness"].missing == "n/a"


@pytest.mark.parametrize(("metric", "at"), [("top1", "jpeg@7"), ("nll", "fog/5")])
def test_the_worst_case_follows_the_direction(tmp_path: Path, metric: str, at: str) -> None:
    fake = FakeRun(50, tables=("worst-case",), metric=metric)
    for condition, right in {"clean": 10, "jpeg@25": 40, "jpeg@7": 20, "fog/5": 30}.items():
        fake.cell("direct", condition, hits(right, 50))
        fake.columns[fake.cells[-1].cell.key]["nll"] = np.full(50, 3 if right == 30 else 1, np.float32)
    fake.cell("other", "jpeg@25", hits(30, 50))
    fake.cell("other", "fog/5", status="n/a", reason="no site")
    shown = table(fake.write(tmp_path), "worst-case")
    values = row(shown.groups[0], "direct")
    assert values["worst"].value == (0.4 if metric == "top1" else 3)
    assert shown.notes[values["worst"].note - 1] == f"under {at}"
    assert row(shown.groups[0], "other")["worst"].value is None


def test_calibration_is_scored_from_records_whatever_the_suite_asks_for(tmp_path: Path) -> None:
    fake = FakeRun(60, tables=("calibration",))
    for condition, right in {"clean": 50, "jpeg@25": 40, "jpeg@7": 20}.items():
        fake.cell("direct", condition, hits(right, 60), bad=[3])
    run = fake.write(tmp_path / "run")
    values = row(table(run, "calibration").groups[0], "direct")
    whole = load(run, whole=True)
    records = [whole.records[result.cell.place] for result in whole.info.cells]
    for name, metric in {"ace": AdaptiveCalibrationError, "aurc": RiskCoverage}.items():
        scores = [float(metric.statistic(one, np.ones(60))) for one in records]
        assert values[f"{name} clean"].value == pytest.approx(scores[0])
        assert values[f"{name} degraded"].value == pytest.approx(np.mean(scores[1:]))
    for name in ("nll", "brier"):
        assert values[f"{name} clean"].value == pytest.approx(np.nanmean(np.delete(records[0][name], 3)))
    assert set(values) == {
        f"{m} {part}" for m in ("ece", "ace", "brier", "nll", "aurc") for part in ("clean", "degraded")
    }
    export(whole, tmp_path / "export")
    assert table(tmp_path / "export", "calibration") == table(run, "calibration")


@pytest.mark.parametrize("name", ["corruption-errors", "compression-robustness", "worst-case"])
def test_a_run_that_has_nothing_for_a_table_says_so(tmp_path: Path, name: str) -> None:
    fake = FakeRun(10, tables=(name,))
    fake.cell("direct", "clean", np.ones(10, int))
    shown = table(fake.write(tmp_path), name)
    assert shown.empty
    assert not shown.groups
