"""The statistics of fast mode against parity mode, which follows the reference value for value."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from qbench.degrade.corruptions.call import Call, Size
from qbench.degrade.corruptions.fast import draws
from tests.degrade.every import follow, parameters, quick
from tests.degrade.test_corruptions import HERE, picture

SAME = {"defocus_blur": 1, "gaussian_blur": 1, "contrast": 1, "brightness": 1, "saturate": 1, "pixelate": 0,
        "jpeg_compression": 1, "zoom_blur": 4}  # fmt: skip
"""Without randomness, with the largest difference of a value, grey levels."""
DRAWN = tuple(name for name in HERE if name not in SAME)
IMAGE = picture(80, 104, seed=2)
Pictures = NDArray[np.uint8]


def philox(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def parity(name: str, severity: int, seeds: range, size: Size = "imagenet", image: Pictures = IMAGE) -> Pictures:
    c = parameters(name, severity, size)
    return np.stack([follow(name, image, Call(c, partial(np.random.RandomState, seed), size)) for seed in seeds])


def fast(name: str, severity: int, seeds: range, size: Size = "imagenet", image: Pictures = IMAGE) -> Pictures:
    c = parameters(name, severity, size)
    return np.stack([quick(name, image, Call(c, partial(philox, s), size)) for s in seeds])


def moments(pictures: Pictures) -> NDArray[np.float64]:
    """Of the change of each picture: mean, standard deviation, share of values left alone; [n, 3]."""
    change = pictures.astype(float) - IMAGE
    flat = change.reshape(len(change), -1)
    return np.stack([flat.mean(1), flat.std(1), (flat == 0).mean(1)], 1)


def histogram(pictures: Pictures) -> NDArray[np.float64]:
    """Shares of 32 ranges of levels in each picture; [n, 32]."""
    return np.stack([np.bincount(one.ravel() >> 3, minlength=32) / one.size for one in pictures])


def spectrum(pictures: Pictures) -> NDArray[np.float64]:
    """Log power of the change of green in 8 rings of frequency; [n, 8]."""
    change = pictures[..., 1].astype(float) - IMAGE[..., 1]
    power = np.abs(np.fft.fft2(change)) ** 2 + 1e-3
    radius = np.hypot(np.fft.fftfreq(change.shape[1])[:, None], np.fft.fftfreq(change.shape[2]))
    rings = np.minimum((radius * 16).astype(int), 7)
    return np.log(np.stack([power[:, rings == ring].mean(1) for ring in range(8)], 1))


def apart(
    first: Pictures, second: Pictures, of: Callable[[Pictures], NDArray[np.float64]], floor: NDArray[np.float64] | float
) -> float:
    """The largest difference of the means over draws, in standard errors but of no less than `floor`."""
    a, b = of(first), of(second)
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    return float((np.abs(a.mean(0) - b.mean(0)) / np.maximum(error, floor)).max())


FLOORS = ((moments, np.array([0.02, 0.02, 0.001])), (histogram, 0.0005), (spectrum, 0.01))
LIMIT = 5.0
"""Standard errors of the largest of 43 figures."""


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_the_reference_s_statistics(name: str, severity: int) -> None:
    theirs, ours = parity(name, severity, range(16)), fast(name, severity, range(16))
    for of, floor in FLOORS:
        assert apart(theirs, ours, of, floor) < LIMIT, of.__name__


@pytest.mark.parametrize("name", DRAWN)
def test_the_cifar_form_has_them_too(name: str) -> None:
    for severity in (2, 5):
        theirs, ours = parity(name, severity, range(12), "cifar"), fast(name, severity, range(12), "cifar")
        for of, floor in FLOORS:
            assert apart(theirs, ours, of, floor) < LIMIT, (severity, of.__name__)


@pytest.mark.parametrize("size", ["imagenet", "cifar"])
@pytest.mark.parametrize("name", SAME)
def test_what_draws_nothing_is_the_same_picture(name: str, size: Size) -> None:
    for severity in range(1, 6):
        for image in (IMAGE, IMAGE[..., 0].copy()):
            theirs = parity(name, severity, range(1), size, image)[0].astype(int)
            ours = fast(name, severity, range(1), size, image)[0]
            assert np.abs(ours - theirs).max() <= SAME[name], severity
            assert (np.abs(ours - theirs) <= 1).mean() > 0.995, severity
            assert abs((ours - theirs).mean()) < 0.1, severity


@pytest.mark.parametrize("name", DRAWN)
def test_grey_pictures_have_the_statistics_of_parity_s_grey(name: str) -> None:
    image = IMAGE[..., 0].copy()
    means = [
        np.stack([one.reshape(16, -1).mean(1), one.reshape(16, -1).std(1)])
        for one in (mode(name, 3, range(16), "imagenet", image).astype(float) for mode in (parity, fast))
    ]
    error = np.sqrt((means[0].var(1) + means[1].var(1)) / 16)
    assert (np.abs(means[0].mean(1) - means[1].mean(1)) < np.maximum(LIMIT * error, 0.1)).all()


@pytest.mark.parametrize("name", DRAWN)
def test_the_comparison_sees_the_next_severity(name: str) -> None:
    """A planted fault: severity 4 in place of 3, or 1 in place of 3 where only the ice or cloud differs."""
    theirs, wrong = parity(name, 3, range(16)), fast(name, 1 if "fro" in name or name == "fog" else 4, range(16))
    assert max(apart(theirs, wrong, of, floor) for of, floor in FLOORS) > LIMIT


def test_the_comparison_sees_rounding_in_place_of_cutting_off() -> None:
    theirs = parity("gaussian_noise", 2, range(16))
    noise = np.random.default_rng(0).normal(0, 0.12 * 255, (16, *IMAGE.shape))
    wrong = np.clip(np.round(IMAGE + noise), 0, 255).astype(np.uint8)
    right = np.clip(IMAGE + noise, 0, 255).astype(np.uint8)
    assert apart(theirs, right, moments, FLOORS[0][1]) < LIMIT < apart(theirs, wrong, moments, FLOORS[0][1])


def test_flat_pictures_stay_flat_where_the_reference_s_do() -> None:
    """Rounding in float32 must not darken them; white falls by a level in some of the reference's sums."""
    for name in ("gaussian_blur", "glass_blur", "zoom_blur", "elastic_transform", "defocus_blur", "motion_blur"):
        for severity in range(1, 6):
            for level in (0, 1, 77, 128, 254, 255):
                flat = np.full((64, 60, 3), level, np.uint8)
                theirs, ours = (mode(name, severity, range(1), image=flat) for mode in (parity, fast))
                assert len(np.unique(ours)) == 1, (name, severity, level)
                assert np.abs(ours.astype(int) - theirs).max() <= (level not in (0, 255)), (name, severity, level)


def test_the_tables_have_the_moments_of_their_distributions() -> None:
    normal = draws.normal_table(3.0, 2.0).astype(float)
    assert normal.mean() == pytest.approx(3, abs=1e-4)
    assert normal.std() == pytest.approx(2, rel=1e-4)
    for photons in (3.0, 60.0, 500.0):
        table = draws.poisson_table(photons).reshape(256, -1).astype(float)
        for level in (0, 1, 20, 100):
            mean = level / 255 * photons
            count = np.random.default_rng(0).poisson(mean, 400_000)
            shown = np.floor(np.minimum(count / photons, 1) * 255)
            error = max(shown.std() / np.sqrt(400_000), 1e-9)
            assert abs(table[level].mean() - shown.mean()) < 5 * error + 0.05
            assert table[level].std() == pytest.approx(shown.std(), rel=0.02, abs=0.02)


def test_words_are_uniform_and_independent_of_how_many_are_asked() -> None:
    drawn = draws.words(philox(1), 300, 333)
    counts = np.bincount(drawn.ravel() >> 8, minlength=256)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 351, "chi squared, 255 degrees, p = 0.0001"
    fewer = draws.words(philox(1), 7, 9)
    assert np.array_equal(fewer.ravel(), drawn.ravel()[:63])
