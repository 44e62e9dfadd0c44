"""Convolution, fixed and varying, against direct sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import convolve as direct
from scipy.signal import convolve2d

from qbench.degrade.optics import convolve, kernel_blur
from qbench.degrade.optics.blur import kernel_spectra, tiles, varying_blur
from qbench.degrade.optics.lenses import LENSES, psf_field
from qbench.degrade.optics.srgb import to_linear, to_srgb
from qbench.errors import ConditionError

RNG = np.random.default_rng(5)


def light(height: int, width: int) -> np.ndarray:
    return RNG.random((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("size", [(3, 3), (1, 9), (7, 5), (4, 6), (2, 2), (31, 31)])
def test_it_is_convolution_and_not_correlation(size: tuple[int, int]) -> None:
    kernel = RNG.random(size).astype(np.float32)
    kernel /= kernel.sum()
    values = light(50, 61)
    up, left = size[0] // 2, size[1] // 2
    below, right = size[0] - 1 - up, size[1] - 1 - left
    for colour in range(3):
        around = np.pad(values[..., colour].astype(np.float64), ((below, up), (right, left)), mode="reflect")
        expected = convolve2d(around, kernel, mode="valid")
        assert np.allclose(convolve(values, kernel)[..., colour], expected, atol=2e-6)
        assert np.allclose(convolve(values[..., colour], kernel), expected, atol=2e-6), "grey as one colour of three"


def test_a_point_becomes_the_kernel() -> None:
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    kernel = np.arange(35, dtype=np.float32).reshape(5, 7) / 595
    assert np.allclose(convolve(point, kernel)[18:23, 17:24], kernel, atol=1e-7)


@pytest.mark.parametrize("number", range(8))
def test_measured_camera_shake_against_scipy(shared: Path, number: int) -> None:
    kernel = np.load(shared / "data" / "kernels" / "levin09.npz")[f"k{number}"]
    image = (light(90, 110) * 255).astype(np.uint8)
    expected = np.dstack([direct(image[..., c].astype(float), kernel, mode="mirror") for c in range(3)])
    assert np.abs(kernel_blur(image, kernel, linear=False) - expected).max() <= 0.51
    in_light = np.dstack([direct(to_linear(image)[..., c].astype(float), kernel, mode="mirror") for c in range(3)])
    assert np.abs(kernel_blur(image, kernel).astype(int) - to_srgb(in_light.astype(np.float32))).max() <= 1
    assert np.abs(kernel_blur(image, kernel).astype(int) - kernel_blur(image, kernel[::-1, ::-1])).max() > 5
    assert np.array_equal(kernel_blur(image, kernel * 7), kernel_blur(image, kernel))


def test_kernel_blur_takes_grey_and_small_pictures_and_refuses_bad_kernels() -> None:
    grey = (light(6, 5)[..., 0] * 255).astype(np.uint8)
    before = grey.copy()
    assert kernel_blur(grey, np.ones((31, 31))).shape == (6, 5)
    assert np.array_equal(grey, before)
    for kernel in (np.ones(3), np.ones((3, 3, 3)), np.full((3, 3), np.nan), np.zeros((3, 3)), -np.ones((3, 3)),
                   np.ones((0, 3))):  # fmt: skip
        with pytest.raises(ConditionError, match="kernel_blur takes finite kernels"):
            kernel_blur(grey, kernel)
    with pytest.raises(ConditionError, match="kernel_blur takes uint8"):
        kernel_blur(grey.astype(float), np.ones((3, 3)))


@pytest.mark.parametrize("extent", [32, 33, 61, 224, 227, 1000])
@pytest.mark.parametrize("nodes", [2, 3, 6, 9])
def test_windows_are_a_partition_of_unity(extent: int, nodes: int) -> None:
    cut = tiles(extent, nodes)
    total = np.zeros(extent)
    for start, window in zip(cut.starts, cut.windows, strict=True):
        assert 0 <= start <= extent - cut.length
        total[start : start + cut.length] += window
    assert np.allclose(total, 1, atol=1e-6)
    assert min(cut.windows.min(), 0) == 0
    assert all(window.max() > 0.9 for window in cut.windows)


def brute_force(values: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Every pixel by itself: its kernel is the blend of the nodes' kernels by squared cosines of the distance."""
    height, width = values.shape[:2]
    size, nodes = kernels.shape[-1], kernels.shape[0]
    margin = size // 2
    padded = np.pad(values.astype(np.float64), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    result = np.empty(values.shape)
    for y in range(height):
        for x in range(width):
            v, u = (y + 0.5) / height * (nodes - 1), (x + 0.5) / width * (nodes - 1)
            i, j = int(v), int(u)
            down, across = np.sin(np.pi / 2 * (v - i)) ** 2, np.sin(np.pi / 2 * (u - j)) ** 2
            upper = (1 - across) * kernels[i, j] + across * kernels[i, j + 1]
            lower = (1 - across) * kernels[i + 1, j] + across * kernels[i + 1, j + 1]
            kernel = ((1 - down) * upper + down * lower)[:, ::-1, ::-1]
            result[y, x] = np.einsum("chw,hwc->c", kernel, padded[y : y + size, x : x + size])
    return result


@pytest.mark.parametrize("size", [(48, 40), (41, 53), (96, 96)])
def test_spatial_variance_against_every_pixel_by_itself(size: tuple[int, int]) -> None:
    values = light(*size)
    kernels = psf_field(LENSES["doublet-as-built"], 0.5, size, 4)
    blurred = varying_blur(values, kernels)
    assert np.abs(blurred - brute_force(values, kernels)).max() < 3e-6
    assert np.array_equal(blurred, varying_blur(values, kernels, kernel_spectra(kernels, *size)))


def test_a_constant_picture_stays_constant_and_light_is_kept() -> None:
    kernels = psf_field(LENSES["landscape-as-built"], 1.0, (3, 4), 6)
    flat = np.full((90, 120, 3), 0.37, np.float32)
    assert np.allclose(varying_blur(flat, kernels), 0.37, atol=1e-6)
    points = np.zeros((90, 120, 3), np.float32)
    points[30:60:6, 30:90:6] = RNG.random((5, 10, 3))
    same = np.broadcast_to(kernels[:1, :1], kernels.shape)
    blurred = varying_blur(points, same)
    assert blurred.sum(axis=(0, 1)) == pytest.approx(points.sum(axis=(0, 1)), rel=1e-5)
    assert blurred.min() > -1e-6
    assert np.allclose(blurred, np.dstack([convolve(points[..., c], same[0, 0, c]) for c in range(3)]), atol=1e-6)
    # Lateral colour magnifies one colour against another: kept is the light of an area, not of a point.
    varied = varying_blur(points, kernels).sum(axis=(0, 1))
    assert varied == pytest.approx(points.sum(axis=(0, 1)), rel=0.12)


def test_more_nodes_change_little() -> None:
    """The kernels change slowly enough for the default of six nodes a side."""
    from qbench.degrade.optics.simulate import NODES

    values = light(120, 120)
    lens = LENSES["landscape"]
    blurred = []
    for nodes in (NODES, 2 * NODES - 1, 4 * NODES - 3):
        kernels = psf_field(lens, 1.0, (1, 1), nodes)
        blurred.append(varying_blur(values, kernels))
    coarse, fine = (float(np.sqrt(np.mean((picture - blurred[-1]) ** 2))) for picture in blurred[:2])
    assert fine < coarse < 0.06 * float(np.std(values - blurred[-1]))
