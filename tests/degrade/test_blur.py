"""Kernels against their moments and direct sums, lost resolution against a written-out bicubic."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import convolve as direct
from scipy.ndimage import gaussian_filter
from skimage.morphology import disk as hard_disk

from qbench.degrade.blur.conditions import Blur, Defocus, LowResolution, Motion
from qbench.degrade.blur.kernels import disk_kernel, gaussian_line, motion_kernel
from qbench.degrade.optics.srgb import to_linear, to_srgb
from qbench.draws import Draw

DRAW = Draw(0, "x")


def picture(height: int = 60, width: int = 75, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def moments(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid (x, y up) and covariance around it."""
    rows, columns = np.indices(kernel.shape) - np.array(kernel.shape).reshape(2, 1, 1) // 2
    points = np.stack([columns.ravel(), -rows.ravel()]).astype(float)
    weights = kernel.ravel().astype(float)
    mean = points @ weights
    return mean, (points * weights) @ points.T - np.outer(mean, mean)


@pytest.mark.parametrize("length", [0.3, 1.0, 9.0, 15.5, 41.0])
@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 90.0, 133.0, -20.0])
@pytest.mark.parametrize("curvature", [0.0, 60.0, -200.0])
def test_motion_kernels_are_centred_and_sum_to_one(length: float, angle: float, curvature: float) -> None:
    kernel = motion_kernel(length, angle, curvature)
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert moments(kernel)[0] == pytest.approx([0, 0], abs=1e-4)


@pytest.mark.parametrize("length", [5.0, 9.0, 15.5, 31.0])
@pytest.mark.parametrize("angle", [0.0, 17.0, 45.0, 90.0, 120.0, 163.0])
def test_straight_motion_has_the_second_moments_of_a_line(length: float, angle: float) -> None:
    """A line of length L at angle a: covariance L²/12 · u uᵀ; sharing samples out adds f(1 - f) on each axis, f the
    distance to a pixel's centre: 0 to 1/4."""
    unit = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    extra = moments(motion_kernel(length, angle))[1] - length**2 / 12 * np.outer(unit, unit)
    assert extra[0, 1] == pytest.approx(0, abs=0.09)
    assert -1e-3 < extra[0, 0] < 0.26
    assert -1e-3 < extra[1, 1] < 0.26


def test_an_arc_has_the_moments_of_an_arc() -> None:
    """An arc of radius r over the angle 2h: variance along the chord r²/2 (1 - sin 2h / 2h)."""
    length, turn = 40.0, np.deg2rad(150)
    radius, half = length / turn, turn / 2
    covariance = moments(motion_kernel(length, 0, 150))[1]
    assert covariance[0, 0] == pytest.approx(radius**2 / 2 * (1 - np.sin(turn) / turn) + 1 / 6, abs=0.1)
    across = radius**2 * (0.5 * (1 + np.sin(turn) / turn) - (np.sin(half) / half) ** 2)
    assert covariance[1, 1] == pytest.approx(across + 1 / 6, abs=0.1)
    assert abs(covariance[0, 1]) < 0.02


def test_motion_turns_counter_clockwise_and_bends_the_way_it_says() -> None:
    up = motion_kernel(21, 45)
    assert up[0, -1] + up[1, -2] > 0 == up[-1, -1]
    bent = motion_kernel(30, 0, 90)
    rows = np.arange(bent.shape[0]) @ bent / np.maximum(bent.sum(axis=0), 1e-9)
    used = np.nonzero(bent.sum(axis=0))[0]
    middle = rows[bent.shape[1] // 2]
    assert rows[used[0]] < middle > rows[used[-1]], "turning left on the way to the right, it ends and starts higher"


@pytest.mark.parametrize("parameters", [(9.0, 0.0, 0.0), (15.0, 30.0, 0.0), (21.0, 100.0, 80.0)])
def test_motion_is_the_mean_of_shifted_pictures_in_linear_light(parameters: tuple[float, float, float]) -> None:
    image = picture()
    kernel = motion_kernel(*parameters)
    light = np.dstack([direct(to_linear(image)[..., c].astype(float), kernel, mode="mirror") for c in range(3)])
    degraded, _ = Motion(*parameters).apply(image, DRAW)
    assert np.abs(degraded.astype(int) - to_srgb(light.astype(np.float32))).max() <= 1
    gamma = np.dstack([direct(image[..., c].astype(float), kernel, mode="mirror") for c in range(3)])
    assert degraded.mean() > gamma.mean() + 5, "bright points win in linear light"


@pytest.mark.parametrize("radius", [0.3, 0.5, 1.0, 2.5, 3.0, 7.7, 20.0])
def test_disks_are_uniform_centred_and_of_the_right_area(radius: float) -> None:
    kernel = disk_kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(kernel, kernel[::-1, ::-1])
    assert np.array_equal(kernel, kernel.T)
    covariance = moments(kernel)[1]
    if radius >= 1:
        assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.03)
        assert covariance[0, 0] == pytest.approx(radius**2 / 4 + 1 / 12, abs=0.07), "a disk and a pixel"
    else:
        assert kernel.max() == pytest.approx(1 if radius <= 0.5 else kernel.max())


@pytest.mark.parametrize("radius", [3, 5, 8])
def test_defocus_is_close_to_a_hard_disk_s(radius: int) -> None:
    image = gaussian_filter(picture().astype(float), (1, 1, 0)).astype(np.uint8)
    hard = hard_disk(radius).astype(float)
    light = np.dstack(
        [direct(to_linear(image)[..., c].astype(float), hard / hard.sum(), mode="mirror") for c in range(3)]
    )
    degraded = Defocus(radius).apply(image, DRAW)[0].astype(float)
    moved = np.abs(degraded - image).mean()
    assert np.abs(degraded - to_srgb(light.astype(np.float32))).mean() < 0.08 * moved
    soft = disk_kernel(radius)
    light = np.dstack([direct(to_linear(image)[..., c].astype(float), soft, mode="mirror") for c in range(3)])
    assert np.abs(degraded - to_srgb(light.astype(np.float32))).max() <= 1


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.6, 3.0, 9.0])
def test_gaussian_blur_against_scipy(sigma: float) -> None:
    image = picture()
    line = gaussian_line(sigma)
    assert line.sum() == pytest.approx(1, abs=1e-6)
    radius = int(np.ceil(4 * sigma))
    expected = np.dstack(
        [gaussian_filter(image[..., c].astype(float), sigma, mode="mirror", radius=radius) for c in range(3)]
    )
    assert np.abs(Blur(sigma).apply(image, DRAW)[0] - expected).max() <= 0.51


def weights(old: int, new: int) -> np.ndarray:
    """[new, old]: Keys' cubic (a = -1/2), widened by the scale on the way down, cut off at the picture's edges."""
    scale = max(old / new, 1.0)
    centre = (np.arange(new)[:, None] + 0.5) * old / new
    x = np.abs((np.arange(old) + 0.5 - centre) / scale)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    cubic = np.where(x < 1, near, np.where(x < 2, far, 0))
    return cubic / cubic.sum(axis=1, keepdims=True)


def resized(values: np.ndarray, height: int, width: int) -> np.ndarray:
    across = np.einsum("ij,hjc->hic", weights(values.shape[1], width), values)
    both = np.einsum("ij,jwc->iwc", weights(values.shape[0], height), np.clip(np.rint(across), 0, 255))
    return np.clip(np.rint(both), 0, 255)


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("size", [(60, 75), (61, 47)])
def test_lost_resolution_against_a_bicubic_written_out(scale: float, size: tuple[int, int]) -> None:
    image = picture(*size)
    degraded, facts = LowResolution(scale).apply(image, DRAW)
    width, height = facts["size"]
    assert (width, height) == (round(size[1] / scale), round(size[0] / scale))
    expected = resized(resized(image.astype(float), height, width), *size)
    assert np.abs(degraded - expected).max() <= 2
    assert np.abs(degraded - expected).mean() < 0.1


def test_lost_resolution_by_nearest_and_by_pillow() -> None:
    image = picture(64, 64)
    degraded, _ = LowResolution(4, "nearest").apply(image, DRAW)
    blocks = degraded.reshape(16, 4, 16, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    small = Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(degraded[::4, ::4], np.asarray(small))
    assert np.array_equal(LowResolution(1).apply(image, DRAW)[0], image)
    flat = np.full((33, 35, 3), 77, np.uint8)
    assert (LowResolution(3).apply(flat, DRAW)[0] == 77).all()


@pytest.mark.parametrize("condition", [Motion(21, 30), Defocus(5), Blur(3)])
def test_flat_pictures_stay_and_turned_pictures_turn(condition: Motion | Defocus | Blur) -> None:
    flat = np.full((40, 50, 3), 93, np.uint8)
    assert np.array_equal(condition.apply(flat, DRAW)[0], flat)
    image = picture(50, 50)
    turned = condition.apply(np.rot90(image, 2).copy(), DRAW)[0]
    assert np.abs(np.rot90(turned, 2).astype(int) - condition.apply(image, DRAW)[0]).max() <= 1
