"""The condition `lens`: its camera against the model that it claims, and sources that differ from targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from qbench.degrade.optics.camera import Camera, demosaic, expose, mosaic, render, unprocess
from qbench.degrade.optics.conditions import LensCamera
from qbench.degrade.optics.lenses import LENSES, psf_field
from qbench.degrade.optics.psf import rms_radius
from qbench.degrade.optics.simulate import _spectra, illumination, photograph
from qbench.degrade.optics.srgb import to_linear, to_srgb
from qbench.draws import Draw

DRAW = Draw(0, "x")
SOURCES, TARGETS = ("doublet", "landscape"), ("doublet-as-built", "landscape-as-built")


def picture(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3))
    return np.clip(gaussian_filter(noise, (2, 2, 0)) * 300 + 120, 0, 255).astype(np.uint8)


def test_linear_light_and_back_is_the_identity() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_srgb(to_linear(every)), every)
    assert to_linear(every)[[0, 128, 255]] == pytest.approx([0, 0.2158605, 1], abs=1e-6)
    assert to_srgb(np.array([-1.0, 0.0, 0.5, 2.0], np.float32)).tolist() == [0, 0, 188, 255]
    assert to_srgb(np.array([0.25], np.float32), gamma=2.0).tolist() == [128]


@pytest.mark.parametrize("name", LENSES)
def test_raw_values_of_all_of_srgb_lie_in_0_to_1_and_render_back(name: str) -> None:
    cube = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3), axis=-1).reshape(-1, 52, 3)
    camera = LENSES[name].camera
    raw = unprocess(cube, camera)
    assert raw.min() >= -1e-6
    assert raw.max() <= 1 + 1e-6
    for colour in (camera.sensor, camera.rendering):
        assert np.asarray(colour.matrix).sum(axis=1) == pytest.approx(1, abs=1e-9)
    honest = replace(camera, rendering=camera.sensor, gamma=None)
    assert np.abs(render(raw, honest).astype(int) - cube).max() <= 1


def without_blur(lens_name: str, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture, and the same through a lens so good that it blurs by far less than a pixel."""
    from qbench.degrade.optics.wavefront import Wavefront

    smooth = gaussian_filter(picture(128, 128).astype(float), (10, 10, 0)).astype(np.uint8)
    lens = replace(LENSES[lens_name], wavefront=Wavefront(), fnumber=1.9, pitch=2.1, falloff=0.0, camera=camera)
    return smooth, photograph(smooth, lens, 1.0, None)


def test_a_camera_without_blur_and_noise_is_the_identity() -> None:
    smooth, seen = without_blur("doublet", LENSES["doublet"].camera)
    assert np.abs(seen.astype(int) - smooth)[1:-1, 1:-1].max() <= 2
    assert np.abs(seen.astype(float) - smooth).mean() < 0.3


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_s_camera_changes_colours_and_tones(name: str) -> None:
    camera = LENSES[name].camera
    smooth, seen = without_blur(name, replace(camera, jpeg=None))
    assert np.abs(seen.astype(float) - smooth).mean() > 3
    _, honest = without_blur(name, replace(camera, jpeg=None, gamma=None, rendering=camera.sensor))
    assert np.abs(honest.astype(float) - smooth).mean() < 0.5


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3), (33, 32)])
def test_demosaicing_a_constant_colour_is_exact(size: tuple[int, int]) -> None:
    colour = np.array([0.25, 0.5, 0.75], np.float32)
    assert np.array_equal(demosaic(mosaic(np.broadcast_to(colour, (*size, 3)))), np.broadcast_to(colour, (*size, 3)))


def test_demosaicing_is_the_mean_of_the_nearest_samples() -> None:
    values = np.random.default_rng(0).random((8, 8), dtype=np.float32)
    colours = demosaic(values)
    assert colours[2, 2, 0] == values[2, 2]
    assert colours[3, 3, 2] == values[3, 3]
    assert colours[2, 3, 1] == values[2, 3]
    assert colours[2, 3, 0] == pytest.approx((values[2, 2] + values[2, 4]) / 2)
    assert colours[3, 3, 0] == pytest.approx((values[2, 2] + values[2, 4] + values[4, 2] + values[4, 4]) / 4)
    assert colours[2, 2, 1] == pytest.approx((values[1, 2] + values[3, 2] + values[2, 1] + values[2, 3]) / 4)
    assert colours[4, 4, 2] == pytest.approx((values[3, 3] + values[3, 5] + values[5, 3] + values[5, 5]) / 4)


@pytest.mark.parametrize(("level", "photons", "read"), [(0.5, 700, 0.008), (0.02, 500, 0.01), (0.0, 500, 0.01)])
def test_noise_is_poisson_plus_gaussian(level: float, photons: float, read: float) -> None:
    exposed = expose(np.full((400, 400), level, np.float32), photons, read, np.random.default_rng(1)).astype(np.float64)
    assert exposed.mean() == pytest.approx(level, abs=5 * np.sqrt((level / photons + read**2) / exposed.size))
    assert exposed.var() == pytest.approx(level / photons + read**2, rel=0.02)
    skewness = ((exposed - exposed.mean()) ** 3).mean()
    assert skewness == pytest.approx(level / photons**2, abs=6 * exposed.std() ** 3 * np.sqrt(6 / exposed.size))


def test_corners_are_darker_by_the_falloff() -> None:
    field = illumination(0.4, 101, 151)
    assert field[50, 75] == 1
    assert field[0, 0] == pytest.approx(0.6, abs=0.01)
    assert np.array_equal(field, field[::-1, ::-1])
    flat = np.full((64, 64, 3), 128, np.uint8)
    seen, _ = LensCamera("landscape", noise=False).apply(flat, DRAW)
    expected = to_srgb(to_linear(flat) * illumination(LENSES["landscape"].falloff, 64, 64)[..., None])
    assert np.abs(seen.astype(int) - expected).max() <= 2
    assert np.abs(seen.astype(float) - expected).mean() < 0.8


def test_targets_differ_from_their_sources_in_blur_asymmetry_noise_and_colour() -> None:
    flat = np.full((96, 96, 3), 150, np.uint8)
    for source, target in zip(SOURCES, TARGETS, strict=True):
        radii, skew, noise = [], [], []
        for name in (source, target):
            kernels = psf_field(LENSES[name], 1.0, (1, 1), 3)
            field = np.array([[rms_radius(kernels[i, j, 1]) for j in range(3)] for i in range(3)])
            radii.append(field.mean())
            skew.append(np.abs(field - field[::-1, ::-1]).max())
            bare = replace(LENSES[name], camera=replace(LENSES[name].camera, jpeg=None))
            rng = np.random.default_rng(0)
            noise.append((photograph(flat, bare, 1.0, rng).astype(float) - photograph(flat, bare, 1.0, None)).std())
        assert radii[1] > 1.15 * radii[0]
        assert skew[0] < 1e-3, "a design is the same on opposite sides of its axis"
        assert skew[1] > 0.8, "what is built is not"
        assert noise[1] > 2 * noise[0]


def mtf50(name: str) -> float:
    """Cycles a pixel at which the contrast in the centre, in green and over rows, falls below a half."""
    kernel = psf_field(LENSES[name], 1.0, (1, 1), 3)[1, 1, 1]
    contrast = np.abs(np.fft.rfft(kernel.sum(axis=0), 1024))
    return float(np.argmax(np.append(contrast, 0) < 0.5) / 1024)


def test_targets_resolve_less_than_their_sources_and_the_sources_differ() -> None:
    sharpness = {name: mtf50(name) for name in LENSES}
    assert sharpness["doublet-as-built"] < 0.8 * sharpness["doublet"]
    assert sharpness["landscape-as-built"] < 0.8 * sharpness["landscape"]
    lateral = {name: psf_field(LENSES[name], 1.0, (1, 1), 3)[1, 2] for name in SOURCES}
    spread = {name: np.abs(k[0] - k[2]).sum() for name, k in lateral.items()}
    assert spread["landscape"] > spread["doublet"]


def test_strength_orders_the_distance_and_no_noise_means_no_draws() -> None:
    image = picture()
    pictures = [LensCamera("doublet", strength=s, noise=False).apply(image, DRAW)[0] for s in (0.0, 0.5, 1.0, 1.6)]
    errors = [float(np.square(degraded.astype(float) - image).mean()) for degraded in pictures]
    assert errors == sorted(errors)
    assert np.array_equal(pictures[2], LensCamera("doublet", noise=False).apply(image, Draw(5, "other"))[0])


def test_pictures_may_be_of_any_shape_and_share_their_kernels_across_sizes() -> None:
    tall, wide = (LensCamera("doublet", noise=False).apply(picture(*size), DRAW)[0] for size in ((150, 60), (60, 150)))
    assert (tall.shape, wide.shape) == ((150, 60, 3), (60, 150, 3))
    before = psf_field.cache_info().misses
    for sides in ((40, 40), (80, 80), (120, 121)):
        LensCamera("landscape", strength=0.77).apply(picture(*sides), DRAW)
    assert psf_field.cache_info().misses == before + 1


def test_large_pictures_keep_no_transforms() -> None:
    before = _spectra.cache_info().currsize
    image = np.full((500, 420, 3), 128, np.uint8)
    degraded = LensCamera("doublet", strength=0.9, noise=False).apply(image, DRAW)[0]
    assert _spectra.cache_info().currsize == before
    assert np.ptp(degraded[240:260, 200:220].astype(int)) <= 1


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("size", [(96, 128), (33, 47), (32, 32)])
def test_facts_tell_the_lens_and_a_blur_that_grows_outwards(name: str, size: tuple[int, int]) -> None:
    _, facts = LensCamera(name).apply(picture(*size), DRAW)
    assert facts["lens"] == name
    assert facts["rms_radius"][2] > facts["rms_radius"][0] > 0.5
    grey = picture(*size)[..., 1]
    assert np.abs(LensCamera(name).apply(grey, DRAW)[0].astype(float) - grey).mean() < 60


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"no lens 'dublet' \(did you mean 'doublet'"):
        LensCamera("dublet")
    for strength in (-0.1, 2.5, float("nan")):
        with pytest.raises(ValidationError):
            LensCamera("doublet", strength=strength)
