"""Moments of the noises on grey pictures, and the darkness of little light."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm, poisson

from qbench.degrade.noise.conditions import GaussianNoise, LowLight, PoissonGaussianNoise, PoissonNoise, noisy
from qbench.degrade.optics.srgb import to_linear, to_srgb
from qbench.draws import Draw

DRAW = Draw(0, "x")
SIDE = 256
COUNT = SIDE * SIDE * 3


def flat(level: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


@pytest.mark.parametrize("sigma", [5.0, 15.0, 25.0])
def test_awgn_is_gaussian_white_and_of_that_sigma(sigma: float) -> None:
    degraded = GaussianNoise(sigma).apply(flat(128), DRAW)[0].astype(float) - 128
    assert degraded.mean() == pytest.approx(0, abs=5 * sigma / np.sqrt(COUNT))
    assert degraded.var() == pytest.approx(sigma**2 + 1 / 12, rel=0.02), "rounding adds 1/12"
    jitter = np.random.default_rng(0).uniform(-0.5, 0.5, degraded.shape)
    assert kstest((degraded + jitter).ravel()[::7], norm(0, np.sqrt(sigma**2 + 1 / 6)).cdf).pvalue > 0.001
    for axis in (0, 1, 2):
        lag = (degraded * np.roll(degraded, 1, axis=axis)).mean() / degraded.var()
        assert abs(lag) < 0.012, "no pixel or colour knows its neighbour's noise"


def test_awgn_clips_at_black_and_white() -> None:
    degraded = GaussianNoise(50.0).apply(flat(0), DRAW)[0].astype(float)
    assert (degraded == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert degraded.mean() == pytest.approx(50 / np.sqrt(2 * np.pi), rel=0.02), (
        "the mean of the upper half of a Gaussian"
    )
    assert np.array_equal(GaussianNoise(0.0).apply(flat(9), DRAW)[0], flat(9))


@pytest.mark.parametrize(("level", "peak"), [(128, 30.0), (60, 10.0), (51, 5.0), (128, 60.0)])
def test_poisson_counts_photons(level: int, peak: float) -> None:
    mean = level / 255 * peak
    degraded = PoissonNoise(peak).apply(flat(level), DRAW)[0].astype(float)
    counts = np.rint(degraded / 255 * peak)
    below = counts < np.floor(peak)
    for photons in range(int(mean), int(min(mean + 3, peak))):
        expected = poisson(mean).pmf(photons)
        sharp = 5 * np.sqrt(expected / COUNT)
        assert (counts[below] == photons).sum() / COUNT == pytest.approx(expected, abs=sharp + 1e-4)
    free = noisy(np.full((400, 400), level / 255, np.float32), peak, 0.0, np.random.default_rng(0)).astype(float)
    assert free.mean() == pytest.approx(level / 255, abs=5 * np.sqrt(level / 255 / peak / free.size))
    assert free.var() == pytest.approx(level / 255 / peak, rel=0.02)


def test_black_has_no_photon_noise() -> None:
    assert np.array_equal(PoissonNoise(5.0).apply(flat(0), DRAW)[0], flat(0))


@pytest.mark.parametrize("level", [80, 128, 190])
def test_the_noise_of_a_sensor_in_linear_light(level: int) -> None:
    light = float(to_linear(np.array([level], np.uint8))[0])
    degraded = to_linear(PoissonGaussianNoise(2000.0, 1.0).apply(flat(level), DRAW)[0]).astype(float)
    assert degraded.mean() == pytest.approx(light, rel=0.003)
    step = float(np.diff(to_linear(np.array([level, level + 1], np.uint8)))[0])
    assert degraded.var() == pytest.approx(light / 2000 + (1 / 255) ** 2 + step**2 / 12, rel=0.03)


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.1, 0.02])
def test_little_light_is_the_gain_in_linear_light(gain: float) -> None:
    every = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    degraded, _ = LowLight(gain, photons=None, read=0.0).apply(every, DRAW)
    assert np.array_equal(degraded, to_srgb(np.float32(gain) * to_linear(every)))
    if gain == 1:
        assert np.array_equal(degraded, every)


@pytest.mark.parametrize("gamma", [1.5, 3.0, 5.0])
def test_gamma_is_the_tone_curve_of_the_literature(gamma: float) -> None:
    every = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    degraded, _ = LowLight(1.0, gamma, photons=None, read=0.0).apply(every, DRAW)
    assert np.abs(degraded - 255 * (every / 255) ** gamma).max() <= 0.55


@pytest.mark.parametrize("gain", [0.3, 0.1])
def test_less_light_is_noisier_for_its_brightness(gain: float) -> None:
    light = float(to_linear(np.array([180], np.uint8))[0]) * gain
    degraded = to_linear(LowLight(gain, photons=1000.0, read=0.003).apply(flat(180), DRAW)[0]).astype(float)
    assert degraded.mean() == pytest.approx(light, rel=0.01)
    assert degraded.var() == pytest.approx(light / 1000 + 0.003**2, rel=0.05)


def test_noise_of_a_key_does_not_depend_on_its_strength() -> None:
    """One key draws one noise; sigma scales it."""
    weak, strong = (GaussianNoise(s).apply(flat(128), DRAW)[0].astype(float) - 128 for s in (10.0, 30.0))
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.995
