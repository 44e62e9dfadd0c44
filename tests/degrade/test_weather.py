"""Haze and rain, and what all conditions of the package have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter, label

from qbench.degrade.weather.conditions import DENSITIES
from qbench.degrade.weather.haze import haze, procedural_depth
from qbench.degrade.weather.rain import rain, streak_map
from qbench.draws import Draw
from qbench.errors import ConditionError
from tests.degrade.every import built

DRAW = Draw(0, "x")
ORDERED: list[tuple[str, str, list[Any]]] = [
    ("haze", "beta", [0.0, 0.6, 1.2, 1.8, 4.0]), ("rain", "density", [0.01, "light", "medium", "heavy", 0.4]),
    ("motion", "length", [2.0, 9.0, 15.0, 21.0, 40.0]), ("defocus", "radius", [0.8, 2.0, 4.0, 8.0]),
    ("blur", "sigma", [0.5, 1.0, 2.0, 4.0]), ("awgn", "sigma", [0.0, 5.0, 15.0, 25.0, 50.0]),
    ("poisson", "peak", [1000.0, 100.0, 30.0, 5.0]), ("poisson-gauss", "peak", [10000.0, 1000.0, 100.0]),
    ("lowres", "scale", [1.0, 1.5, 2.0, 3.0, 4.0, 8.0]), ("lowlight", "gain", [1.0, 0.5, 0.2, 0.1, 0.02]),
]  # fmt: skip


def picture(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3))
    return np.clip(gaussian_filter(noise, (2, 2, 0)) * 300 + 120, 0, 255).astype(np.uint8)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


def test_haze_in_closed_form() -> None:
    image = picture(20, 30)
    depth = np.random.default_rng(0).random((20, 30), np.float32)
    assert np.array_equal(haze(image, depth, 0, 0.9), image)
    assert np.array_equal(haze(image, np.zeros_like(depth), 5, 0.9), image)
    assert (haze(image, depth + 1, 60, 0.8) == 204).all()
    t = np.exp(-1.3 * depth.astype(float))[..., None]
    assert np.abs(haze(image, depth, 1.3, 0.75) - (image * t + 255 * 0.75 * (1 - t))).max() <= 0.5 + 1e-3
    assert np.array_equal(haze(image[..., 0], depth, 1.3, 0.75), haze(image, depth, 1.3, 0.75)[..., 0])


def test_two_hazes_are_one_of_the_sum() -> None:
    image, depth = picture(40, 40), np.random.default_rng(1).random((40, 40), np.float32)
    twice = haze(haze(image, depth, 0.5, 0.9), depth, 0.7, 0.9)
    assert np.abs(twice.astype(int) - haze(image, depth, 1.2, 0.9)).max() <= 1


@pytest.mark.parametrize(
    ("depth", "beta", "air"),
    [
        (np.zeros((3, 3)), 1, 0.9), (np.full((8, 8), np.nan), 1, 0.9), (np.full((8, 8), -0.1), 1, 0.9),
        (np.zeros((8, 8)), -1, 0.9), (np.zeros((8, 8)), 1, 1.1), (np.zeros((8, 8)), np.nan, 0.9),
    ],
)  # fmt: skip
def test_haze_refuses_what_is_no_depth_or_no_air(depth: np.ndarray, beta: float, air: float) -> None:
    with pytest.raises(ConditionError, match="haze takes"):
        haze(picture(8, 8), depth, beta, air)


@pytest.mark.parametrize("seed", range(5))
def test_procedural_depths_are_smooth_and_farther_above(seed: int) -> None:
    depth = procedural_depth(200, 240, np.random.default_rng(seed))
    assert 0 < depth.min() < 0.5
    assert depth.max() <= 1
    assert depth[:30].mean() > depth[-60:].mean() + 0.15
    assert np.abs(np.diff(depth, axis=0)).max() < 0.05
    assert np.abs(np.diff(depth, axis=1)).max() < 0.05
    larger = procedural_depth(400, 480, np.random.default_rng(seed))
    assert np.abs(larger[::2, ::2] - depth).mean() < 0.02, "the same scene at another size"


def airlight_and_transmission(hazy: np.ndarray, clear: np.ndarray) -> tuple[float, np.ndarray]:
    """The grey airlight and the one transmission a pixel, for all its channels, that fit best in the mean square."""

    def fit(air: float) -> tuple[float, np.ndarray]:
        offset = clear - air
        t = (offset * (hazy - air)).sum(-1) / np.maximum((offset * offset).sum(-1), 1e-9)
        return float(np.square(hazy - air - offset * t[..., None]).mean()), t

    air = min((round(0.7 + 0.01 * step, 2) for step in range(31)), key=lambda airlight: fit(airlight)[0])
    return air, fit(air)[1]


@pytest.mark.parametrize("row", range(6))
def test_the_model_explains_reside_s_pictures(shared: Path, row: int) -> None:
    folder = shared / "data" / "haze"
    names = (folder / "pairs.csv").read_text().split()[1:][row].split(",")
    hazy, clear = (np.asarray(Image.open(folder / name).convert("RGB")) for name in names)
    assert distance(hazy, clear) > 30
    air, t = airlight_and_transmission(hazy / 255, clear / 255)
    assert np.percentile(t, 1) > -0.02
    assert np.percentile(t, 99) < 1
    mine = haze(clear, -np.log(np.clip(t, 1e-3, 1)), 1.0, air)
    assert np.abs(mine.astype(int) - hazy).mean() < 0.05
    wrong = haze(clear, -np.log(np.clip(t, 1e-3, 1)), 1.2, air)
    assert np.abs(wrong.astype(int) - hazy).mean() > 2, "a planted fault shows"


@pytest.mark.parametrize("name", DENSITIES)
def test_rain_covers_about_the_share_that_it_says(name: str) -> None:
    streaks = streak_map(600, 600, DENSITIES[name], 21, 80, np.random.default_rng(0))
    assert streaks.min() >= 0
    assert streaks.max() <= 1
    assert (streaks > 0.1).mean() == pytest.approx(DENSITIES[name], rel=0.35)


@pytest.mark.parametrize(("angle", "seed"), [(60.0, 2), (90.0, 3), (115.0, 4), (80.0, 5), (80.0, 6)])
def test_streaks_lie_in_the_direction_asked_for_and_have_the_length(angle: float, seed: int) -> None:
    streaks = streak_map(800, 800, 0.01, 30, angle, np.random.default_rng(seed))
    numbered, count = label(streaks > 0.15)
    spans, directions = [], []
    for part in range(1, count + 1):
        y, x = np.nonzero(numbered == part)
        if y.min() > 0 and x.min() > 0 and y.max() < 799 and x.max() < 799 and y.size > 30:
            _, vectors = np.linalg.eigh(np.cov(np.stack([x, -y])))
            directions.append(np.rad2deg(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180)
            spans.append(np.hypot(np.ptp(y), np.ptp(x)))
    assert len(spans) > 20
    assert np.median(directions) == pytest.approx(angle, abs=8)
    assert 27 < np.percentile(spans, 95) < 40


def test_rain_brightens_by_a_screen_and_denser_rain_keeps_the_drops() -> None:
    dark, light = np.full((60, 80, 3), 40, np.uint8), np.full((60, 80, 3), 250, np.uint8)
    wet = rain(dark, 0.1, 21, 80, np.random.default_rng(3))
    assert wet.min() >= 40
    assert (wet[..., 0] == wet[..., 2]).all(), "streaks have no colour"
    assert np.array_equal(rain(dark, 0.0, 21, 80, np.random.default_rng(3)), dark)
    assert np.ptp(rain(light, 0.1, 21, 80, np.random.default_rng(3)).astype(int)) < np.ptp(wet.astype(int)) / 4
    few, many = (streak_map(100, 100, density, 21, 80, np.random.default_rng(4)) for density in (0.03, 0.12))
    assert (many >= few - 1e-5).all()
    drops = few > 0.1
    assert np.isclose(few, many, atol=1e-4)[drops].mean() > 0.6, "as bright as they were, where no other falls"
    assert few.mean() > 0


@pytest.mark.parametrize("name", ["haze", "rain", "motion", "defocus", "blur", "lowres"])
def test_grey_is_what_three_equal_colours_give(name: str) -> None:
    grey = picture()[..., 0]
    condition = built({name: {}})
    colours = condition.apply(np.dstack([grey] * 3), DRAW)[0]
    assert np.abs(condition.apply(grey, DRAW)[0].astype(int)[..., None] - colours).max() <= 1


@pytest.mark.parametrize(("name", "parameter", "values"), ORDERED)
def test_the_parameter_orders_the_distance(name: str, parameter: str, values: list[Any]) -> None:
    image = picture()
    errors = [distance(built({name: {parameter: value}}).apply(image, DRAW)[0], image) for value in values]
    assert errors == sorted(errors)
    assert len(set(errors)) == len(errors)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("haze", {"beta": -1}), ("haze", {"airlight": 1.5}), ("haze", {"beta": float("nan")}), ("haze", {"depth": 1}),
        ("rain", {"density": "monsoon"}), ("rain", {"density": -0.1}), ("rain", {"density": 2}),
        ("rain", {"length": 0}),
        ("motion", {"length": 0}), ("motion", {"length": -3}), ("motion", {"angle": 1000}), ("defocus", {"radius": 0}),
        ("blur", {"sigma": 0}), ("blur", {"sigma": -1}), ("awgn", {"sigma": -1}), ("awgn", {"sigma": float("inf")}),
        ("poisson", {"peak": 0}), ("poisson-gauss", {"sigma": -2}), ("lowres", {"scale": 0}),
        ("lowres", {"scale": 0.5}),
        ("lowres", {"up": "lanczos"}), ("lowlight", {"gain": 0}), ("lowlight", {"gain": 2}),
        ("lowlight", {"gamma": 0.5}),
        ("lowlight", {"photons": 0}), ("lowlight", {"read": -1}),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        built({name: parameters})
