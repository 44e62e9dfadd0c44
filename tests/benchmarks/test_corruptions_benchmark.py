"""The arithmetic of the corruptions' benchmark, and a run at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmarks import corruptions
from benchmarks.corruptions import NAMES, SEVERITIES, WAYS, difference, losses, milliseconds, near, quartiles, speedups
from benchmarks.corruptions_accuracy import accuracies, surprise
from qbench.degrade.corruptions import COMMON


def taken(seconds: dict[str, list[float]], names: tuple[str, ...] = NAMES) -> corruptions.Times:
    """Every corruption and severity takes these times a repetition, the processor half of them."""
    return {
        (name, severity, way): [{"wall": one, "processor": one / 2} for one in seconds[way]]
        for name in names for severity in SEVERITIES for way in WAYS
    }  # fmt: skip


TIMES = taken({"reference": [8.0, 12.0, 10.0], "fast": [1.0, 1.0, 2.0], "parity": [8.0, 8.0, 10.0]})


def test_ratios_are_of_sums_in_each_repetition() -> None:
    times = dict(TIMES)
    times["fog", 2, "reference"] = [{"wall": 108.0, "processor": 54.0}] * 3
    found = speedups(times, NAMES)
    assert found["snow"]["fast"]["wall"] == {"median": 8.0, "low": 6.5, "high": 10.0, "iqr": 3.5}
    assert found["snow"]["fast"]["processor"]["median"] == 8.0
    assert found["snow"]["parity"]["wall"]["median"] == 1.0
    sums = np.array([4 * 8 + 108, 4 * 12 + 108, 4 * 10 + 108]) / np.array([5, 5, 10])
    assert found["fog"]["fast"]["wall"] == quartiles(sums)


def test_the_grid_weighs_by_time_and_its_second_row_leaves_glass_blur_out() -> None:
    times = dict(TIMES)
    for severity in SEVERITIES:
        times["glass_blur", severity, "reference"] = [{"wall": 1000.0, "processor": 1000.0}] * 3
    found = speedups(times, NAMES)
    assert found["grid 15x5 without glass_blur"]["fast"]["wall"]["median"] == 8.0
    expected = np.median((14 * np.array([8.0, 12.0, 10.0]) + 1000) / (15 * np.array([1.0, 1.0, 2.0])))
    assert found["grid 15x5"]["fast"]["wall"]["median"] == pytest.approx(expected, abs=1e-4)
    assert set(found) == {*NAMES, "grid 15x5", "grid 15x5 without glass_blur", "all 19x5"}
    assert "grid 15x5" not in speedups(times, COMMON[:-1])
    assert "all 19x5" not in speedups(times, COMMON)


def test_losses_are_told_for_corruptions_and_single_severities() -> None:
    assert losses(TIMES, NAMES) == []
    times = dict(TIMES)
    times["contrast", 3, "fast"] = [{"wall": 20.0, "processor": 1.0}] * 3
    assert losses(times, NAMES) == ["contrast/3 (fast): 0.5"]
    slow = taken({"reference": [1.0], "fast": [4.0], "parity": [0.5]}, ("fog",))
    assert losses(slow, ("fog",)) == ["fog (fast): 0.25", *(f"fog/{s} (fast): 0.25" for s in SEVERITIES)]


def test_milliseconds_are_medians_by_severity() -> None:
    assert milliseconds(TIMES)["fog"] == {"reference": [10_000.0] * 5, "fast": [1_000.0] * 5, "parity": [8_000.0] * 5}


def test_a_call_that_is_repeated_is_told_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 6.0, 0.0, 3.0])
    monkeypatch.setattr(corruptions.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(corruptions.time, "process_time", lambda: 0.0)
    called: list[int] = []
    assert corruptions.clocked(lambda: called.append(1), 3) == {"wall": 2.0, "processor": 0.0}
    assert len(called) == 3


def test_differences_of_pictures() -> None:
    image = np.full((10, 10, 3), 100, np.uint8)
    assert near(image, image + 1) == 1.0
    assert near(image, image + 2) == 0.0
    brighter = [image + 8, image + 12]
    found = difference(image, [image, image], brighter)
    assert found["mean"] == {"reference": 0.0, "fast": 10.0, "standard error of the difference": 2.0}
    assert found["deviation"]["fast"] == 0.0
    assert found["histogram"] == 1.0
    assert difference(image, brighter, brighter)["histogram"] == 0.0


def test_severities_of_one_scene_count_once_in_the_surprise() -> None:
    better = np.zeros((3, 16), bool)
    better[:, :4] = True
    assert surprise(better, ~better & False) == pytest.approx(2.0)
    assert surprise(better, better) == 0.0
    assert surprise(~better, better) == pytest.approx((12 - 4) / 4)


def test_accuracies_hold_for_both_modes() -> None:
    found = accuracies(["contrast"], 6, (1,))
    assert found["contrast"]["fast"] == found["contrast"]["parity"]
    assert found["contrast"]["z"] == 0.0
    assert found["scenes"] == 6


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    pytest.importorskip("skimage")
    try:
        found = corruptions.benchmark(("contrast", "gaussian_blur", "fog", "impulse_noise"), 2, side=128)
    except (ImportError, ModuleNotFoundError) as error:
        pytest.skip(f"the reference package is not installed: {error}")
    return dict(json.loads(json.dumps(found)))


def test_a_run_says_what_it_compared(result: dict[str, Any]) -> None:
    pictures = result["pictures"]
    assert set(pictures) == set(result["milliseconds"]) == {"contrast", "gaussian_blur", "fog", "impulse_noise"}
    key = "parity: share within 1 level, worst severity"
    assert pictures["impulse_noise"][key] is None
    assert all(pictures[name][key] >= 0.999 for name in ("contrast", "gaussian_blur", "fog"))
    assert all(len(one["fast: statistics by severity"]) == 5 for one in pictures.values())
    assert any("multichannel" in text for text in result["reference"]["mended"])
    assert result["machine"]["imagecorruptions"] == "1.1.2"
    assert "| contrast |" in corruptions.markdown(result)


def test_a_wrong_picture_stops_the_benchmark(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> None:
    real = corruptions.followed
    monkeypatch.setattr(corruptions, "followed", lambda *given: real(*given) // 2)
    with pytest.raises(AssertionError, match="contrast: parity mode is not within a level"):
        corruptions.benchmark(("contrast",), 1, side=128)
