"""BRISQUE's features against a slow implementation from the paper, and against numbers that piq gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate
from scipy.special import gamma

from qbench.quality.brisque import FEATURES, brisque_features
from qbench.quality.nss import halved
from tests.quality.pictures import Picture, constant, moved, noise, tensor, waves

SHAPES = np.arange(0.2, 10.001, 0.001)
RATIO = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))
OF_PIQ = [
    1.876, 0.2157782, 0.673, 0.01778376, 0.04450529, 0.0573165, 0.672, 0.02350591, 0.04265768, 0.0596128, 0.680,
    0.01967198, 0.04172424, 0.05551131, 0.649, 0.0192263, 0.04603538, 0.06039189, 5.335, 0.1849831, 1.068, 0.1370005,
    0.003046018, 0.06046055, 1.063, 0.1626817, 0.0007689932, 0.06473057, 1.205, 0.08937175, 0.008292083, 0.04504134,
    1.131, 0.1581878, 0.0009411664, 0.06152232,
]  # fmt: skip
"""Of `waves()`, by the functions of piq 0.8.0 (`_natural_scene_statistics`, `imresize`) in float64 on levels 0-255."""
NOISE_OF_PIQ = [
    5.005, 0.7661426, 1.192, -0.09417339, 0.6132649, 0.4292206, 1.194, -0.0898731, 0.6064419, 0.4312106, 1.139,
    -0.05442016, 0.5834501, 0.4749658, 1.158, -0.06729813, 0.617922, 0.4817452, 2.788, 0.586121, 0.896, -0.05994441,
    0.3848484, 0.2841749, 0.953, 0.002308811, 0.2874415, 0.2909971, 0.958, -0.05307976, 0.3425406, 0.2594628, 0.894,
    -0.06812985, 0.4010843, 0.28521,
]  # fmt: skip
"""Of `noise(0)`, in the same way."""
TOLERANCE = 1e-6
"""Absolute, of features up to 10 in single precision: no step of the shapes' grid (0.001) is another."""


def bicubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))


def half_matrix(size: int) -> np.ndarray:
    """[ceil(size / 2), size]: the weights of MATLAB's imresize by 0.5, pixel by pixel, mirrored at the edges."""
    matrix = np.zeros((-(-size // 2), size))
    for row in range(len(matrix)):
        centre = 2 * row + 0.5
        places = np.arange(int(np.floor(centre)) - 6, int(np.floor(centre)) + 8)
        weights = bicubic((places - centre) / 2)
        for place, weight in zip(places, weights / weights.sum(), strict=True):
            mirrored = place % (2 * size)
            matrix[row, mirrored if mirrored < size else 2 * size - 1 - mirrored] += weight
    return matrix


def naive(picture: Picture) -> np.ndarray:
    """The 36 features by the paper's equations, one picture at a time. As in the references, grey levels are added in
    single precision, which decides those halfway between two, and so is the window held."""
    red, green, blue = np.moveaxis(picture.astype(np.float32) / np.float32(255), 2, 0)
    weights = [np.float32(weight) for weight in (0.299, 0.587, 0.114, 255)]
    grey = np.round((red * weights[0] + green * weights[1] + blue * weights[2]) * weights[3]).astype(float)
    offsets = np.arange(7) - 3
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
    window = (window / window.sum()).astype(np.float32).astype(float)
    values: list[float] = []
    for scale in range(2):
        if scale:
            grey = half_matrix(grey.shape[0]) @ grey @ half_matrix(grey.shape[1]).T
        mean = correlate(grey, window, mode="constant")
        deviation = np.sqrt(np.abs(correlate(grey**2, window, mode="constant") - mean**2))
        n = (grey - mean) / (deviation + 1)
        rho = (n**2).mean() / np.abs(n).mean() ** 2
        values += [SHAPES[np.abs(rho - 1 / RATIO).argmin()], (n**2).mean()]
        for down, right in ((0, 1), (1, 0), (1, 1), (-1, 1)):
            products = (n * np.roll(n, (down, right), axis=(0, 1))).ravel()
            left = np.sqrt((products[products < 0] ** 2).mean())
            beyond = np.sqrt((products[products > 0] ** 2).mean())
            g = left / beyond
            r = np.abs(products).mean() ** 2 / (products**2).mean()
            a = SHAPES[np.abs(r * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2 - RATIO).argmin()]
            eta = (beyond - left) * gamma(2 / a) / np.sqrt(gamma(1 / a) * gamma(3 / a))
            values += [a, eta, left**2, beyond**2]
    return np.array(values)


@pytest.mark.parametrize(
    "picture", [waves(), noise(0), moved(waves()), waves(97, 131), noise(1, 33, 40)],
    ids=["waves", "noise", "moved", "odd", "small"],
)  # fmt: skip
def test_features_are_those_of_the_paper(picture: Picture) -> None:
    ours = brisque_features(tensor(picture))[0].double().numpy()
    assert ours == pytest.approx(naive(picture), abs=TOLERANCE, rel=0)


@pytest.mark.parametrize("name", ["100039", "33044", "135037", "196040"])
def test_features_of_photos_are_those_of_the_paper(name: str, shared: Path) -> None:
    """With saturated and flat places, where every sign counts, and grey levels halfway between two."""
    (file,) = (shared / "data" / "hq").rglob(f"{name}.jpg")
    picture = np.array(Image.open(file).convert("RGB"))[:300, :301]
    ours = brisque_features(tensor(picture))[0].double().numpy()
    assert ours == pytest.approx(naive(picture), abs=TOLERANCE, rel=0)


@pytest.mark.parametrize(("picture", "expected"), [(waves(), OF_PIQ), (noise(0), NOISE_OF_PIQ)], ids=["waves", "noise"])
def test_features_are_those_of_piq(picture: Picture, expected: list[float]) -> None:
    """To the digits that are written here, far below 1e-3."""
    assert brisque_features(tensor(picture))[0].numpy() == pytest.approx(expected, abs=5e-5, rel=0)


def test_batches_devices_and_types() -> None:
    together = brisque_features(tensor(waves(), moved(waves()), noise(3, 96, 128)).requires_grad_())
    assert (together.shape, together.dtype, together.requires_grad) == ((3, FEATURES), torch.float32, False)
    alone = [brisque_features(tensor(p))[0] for p in (waves(), moved(waves()), noise(3, 96, 128))]
    assert torch.allclose(together, torch.stack(alone), atol=1e-6)


@pytest.mark.parametrize("picture", [constant(0), constant(255), constant(77), noise(0, 8, 8), noise(0, 1, 1)])
def test_what_has_no_statistics_gives_finite_features(picture: Picture) -> None:
    assert torch.isfinite(brisque_features(tensor(picture))).all()


def test_blur_and_noise_move_the_features_as_the_paper_says() -> None:
    """White noise is near Gaussian (a shape above 2: a deviation holds the pixel itself); blur shrinks the variance."""
    generator = np.random.default_rng(0)
    white = np.clip(np.round(128 + 30 * generator.standard_normal((224, 224, 1))), 0, 255).astype(np.uint8)
    shape, variance = brisque_features(tensor(np.repeat(white, 3, axis=2)))[0, :2].tolist()
    assert shape == pytest.approx(2.98, abs=0.1)
    assert variance == pytest.approx(0.73, abs=0.02)
    sharp = waves().astype(float)
    soft = sum(np.roll(sharp, k, axis=(0, 1)) for k in range(-2, 3)) / 5
    assert brisque_features(tensor(soft.astype(np.uint8)))[0, 1] < brisque_features(tensor(waves()))[0, 1]


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3), (1, 1), (96, 50)])
def test_halving_is_matlab_s(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, size)
    expected = half_matrix(size[0]) @ picture @ half_matrix(size[1]).T
    assert halved(torch.from_numpy(picture)[None, None])[0, 0].numpy() == pytest.approx(expected, abs=1e-9)
