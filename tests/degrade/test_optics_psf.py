"""Wavefronts and point-spread functions against closed forms of Fourier optics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import j1

from qbench.degrade.optics.lenses import LENSES, psf_field
from qbench.degrade.optics.psf import FINE, GRID, fine_psf, pixel_psf, rms_radius
from qbench.degrade.optics.wavefront import REFERENCE, WAVELENGTHS, Wavefront, rms, zernike

AXIS, CORNER = (0.0, 0.0), (0.8, 0.6)
FNUMBER, PITCH = 4.0, 4.0
CENTRE = GRID // 2


def shift(wavefront: Wavefront, colour: int, field: tuple[float, float]) -> np.ndarray:
    """(x, y) by which the light lies off the centre, in pixels: the phase of the lowest frequencies. (A centroid of
    what a window holds would see the window's edges: the tails fall as the cube of the distance only.)"""
    spectrum = np.fft.fft2(np.fft.ifftshift(fine_psf(wavefront, colour, field, FNUMBER, PITCH)))
    return -np.angle([spectrum[0, 1], spectrum[1, 0]]) * GRID / (2 * np.pi * FINE)


def disk(side: int = 400) -> tuple[np.ndarray, np.ndarray]:
    line = (np.arange(side) + 0.5) * 2 / side - 1
    x, y = np.meshgrid(line, line)
    return x[np.hypot(x, y) <= 1], y[np.hypot(x, y) <= 1]


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_an_ideal_lens_gives_the_airy_pattern(colour: int) -> None:
    computed = fine_psf(Wavefront(), colour, AXIS, FNUMBER, PITCH)
    line = (np.arange(GRID) - CENTRE) * PITCH / FINE
    radius = np.pi * np.hypot(*np.meshgrid(line, line)) / (WAVELENGTHS[colour] * FNUMBER)
    with np.errstate(invalid="ignore", divide="ignore"):
        airy = np.where(radius == 0, 1.0, (2 * j1(radius) / radius) ** 2)
    assert np.abs(computed / computed[CENTRE, CENTRE] - airy).max() < 0.003
    first_zero = round(1.22 * WAVELENGTHS[colour] * FNUMBER / (PITCH / FINE))
    assert computed[CENTRE, CENTRE + first_zero] < 0.01 * computed[CENTRE, CENTRE]


def test_much_finer_optics_than_pixels_give_almost_a_point() -> None:
    kernel = pixel_psf(Wavefront(), 1, AXIS, 2.0, 2.2)
    middle = kernel.shape[0] // 2
    assert kernel[middle, middle] > 0.8


@pytest.mark.parametrize("waves", [0.2, 0.5, 0.8, 1.0, 1.7])
def test_defocus_dims_the_centre_as_sinc_squared(waves: float) -> None:
    """Born and Wolf, section 8.8.2: on the axis, I(W) / I(0) = (sin(πW) / πW)²."""
    sharp, blurred = (fine_psf(Wavefront(w020=w), 1, AXIS, FNUMBER, PITCH) for w in (0.0, waves))
    assert blurred[CENTRE, CENTRE] / sharp[CENTRE, CENTRE] == pytest.approx(np.sinc(waves) ** 2, abs=0.01)
    assert np.allclose(blurred[1:, 1:], blurred[1:, 1:][::-1, ::-1], atol=1e-9)
    assert np.allclose(blurred, blurred.T, atol=1e-9)


def test_strong_defocus_is_the_disk_of_geometrical_optics() -> None:
    """W020 = w waves puts the pupil's edge at 4 w λ F from the centre; a uniform disk of radius R has rms R / √2."""
    waves = 6.0
    radius = 4 * waves * REFERENCE * FNUMBER / PITCH
    kernel = pixel_psf(Wavefront(w020=waves), 1, AXIS, FNUMBER, PITCH)
    y, x = np.indices(kernel.shape) - kernel.shape[0] // 2
    assert kernel[np.hypot(x, y) <= radius + 1].sum() > 0.96
    assert rms_radius(kernel) == pytest.approx(radius / np.sqrt(2), rel=0.08)


@pytest.mark.parametrize("term", [(2, 0), (2, 2), (2, -2), (3, 1), (3, 3), (3, -3), (4, 0), (4, 2), (5, 1)])
@pytest.mark.parametrize("sigma", [0.03, 0.06])
def test_strehl_follows_marechal(term: tuple[int, int], sigma: float) -> None:
    sharp = fine_psf(Wavefront(), 1, AXIS, FNUMBER, PITCH).max()
    blurred = fine_psf(Wavefront(zernike=((*term, sigma),)), 1, AXIS, FNUMBER, PITCH)
    expected = np.exp(-((2 * np.pi * sigma) ** 2))
    peak = blurred.max() if abs(term[1]) == 1 else blurred[CENTRE, CENTRE]
    assert peak / sharp == pytest.approx(expected, abs=0.015)


def test_zernike_polynomials_are_orthonormal_over_the_disk() -> None:
    terms = [(0, 0), (1, 1), (1, -1), (2, 0), (2, 2), (2, -2), (3, 1), (3, -3), (4, 0), (4, -2), (6, 0)]
    values = np.stack([zernike(n, m, *disk()) for n, m in terms])
    assert np.allclose(values @ values.T / values.shape[1], np.eye(len(terms)), atol=0.02)
    for n, m in ((2, 1), (1, 3), (1, 2)):
        with pytest.raises(ValueError, match="no Zernike polynomial"):
            zernike(n, m, *disk(8))


def test_seidel_terms_have_their_rms_in_closed_form() -> None:
    """Over the unit disk: W020 / √12, W040 2/√45, and, tilt taken out, W131 / √72 (Welford, chapter 13)."""
    for wavefront, expected in (
        (Wavefront(w020=1), 1 / np.sqrt(12)),
        (Wavefront(w040=1), 2 / np.sqrt(45)),
        (Wavefront(w040=1, w020=-1), 1 / np.sqrt(180)),
        (Wavefront(w131=1), 1 / np.sqrt(72)),
        (Wavefront(w222=1), 0.25),
        (Wavefront(w311=3), 0.0),
        (Wavefront(zernike=((3, 3, 0.3),)), 0.3),
    ):
        assert rms(wavefront, 1, CORNER) == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("azimuth", [0.0, 0.5, np.pi / 2, 2.5, -2.0])
def test_coma_points_away_from_the_centre_at_every_azimuth(azimuth: float) -> None:
    """The centroid follows the mean slope of the wavefront over the pupil: for W131 H p_r |p|², W131 / λ F in all."""
    field = (np.cos(azimuth), np.sin(azimuth))
    computed = shift(Wavefront(w131=1.2), 1, field)
    assert np.arctan2(computed[1], computed[0]) == pytest.approx(azimuth, abs=0.02)
    assert np.hypot(*computed) == pytest.approx(2 * 1.2 * REFERENCE * FNUMBER / PITCH, rel=0.05)
    kernel = pixel_psf(Wavefront(w131=1.2), 1, field, FNUMBER, PITCH)
    y, x = np.indices(kernel.shape) - kernel.shape[0] // 2
    along = field[0] * x + field[1] * y - np.hypot(*computed)
    assert (kernel * along**3).sum() > 0, "the tail lies outside"


def test_a_quarter_turn_of_the_field_turns_the_kernel() -> None:
    wavefront = Wavefront(w020=-0.3, w040=0.5, w131=1.0, w222=0.7, w220=0.4)
    right = pixel_psf(wavefront, 1, (0.7, 0.0), FNUMBER, PITCH)
    below = pixel_psf(wavefront, 1, (0.0, 0.7), FNUMBER, PITCH)
    assert np.allclose(below, right.T, atol=1e-8)
    assert not np.allclose(right, right.T, atol=1e-3)


def test_decentre_tilt_and_figure_do_what_they_say() -> None:
    assert shift(Wavefront(decentre=(0.8, 0.0)), 1, AXIS)[0] > 0.5
    tilted = Wavefront(tilt=(1.0, 0.0))
    assert rms(tilted, 1, (0.9, 0.2)) == pytest.approx(0.9 / np.sqrt(12), abs=0.003)
    assert rms(tilted, 1, (0.0, 0.9)) == pytest.approx(0, abs=1e-9)
    assert rms(Wavefront(tilt=(0.0, -1.0)), 1, (0.2, 0.9)) == pytest.approx(0.9 / np.sqrt(12), abs=0.003)
    assert rms(Wavefront(axial=(0.5, 0.0, 0.7)), 2, AXIS) == pytest.approx(0.7 / np.sqrt(12), abs=0.003)


@pytest.mark.parametrize(("colour", "waves"), [(0, 0.8), (2, -0.9)])
def test_lateral_colour_shifts_by_the_predicted_amount(colour: int, waves: float) -> None:
    """A tilt of w waves of 0.55 µm over the pupil's radius moves the image by 2 F w 0.55 µm, away from the centre."""
    lateral = (waves, 0.0, 0.0) if colour == 0 else (0.0, 0.0, waves)
    computed = shift(Wavefront(lateral=lateral), colour, CORNER)
    assert computed == pytest.approx(2 * FNUMBER * waves * REFERENCE / PITCH * np.array(CORNER), abs=0.02)
    assert shift(Wavefront(lateral=lateral), 1, CORNER) == pytest.approx([0, 0], abs=1e-6)


def test_distortion_shifts_as_the_cube_of_the_field() -> None:
    near, far = (shift(Wavefront(w311=1.0), 1, (h, 0.0))[0] for h in (0.4, 0.8))
    assert far / near == pytest.approx(8, rel=0.05)


def test_scaling_is_linear_in_every_term() -> None:
    wavefront = LENSES["doublet-as-built"].wavefront
    x, y = disk(40)
    for colour in range(3):
        whole = wavefront.error(colour, CORNER, x, y)
        assert np.allclose(wavefront.scaled(0.4).error(colour, CORNER, x, y), 0.4 * whole)
    assert np.abs(wavefront.scaled(0).error(0, CORNER, x, y)).max() == 0


@pytest.mark.parametrize("name", LENSES)
def test_kernels_of_the_named_lenses_sum_to_one_and_keep_the_light(name: str) -> None:
    lens = LENSES[name]
    kernels = psf_field(lens, 1.0, (1, 1), 3)
    assert kernels.sum(axis=(-2, -1)) == pytest.approx(1, abs=1e-5)
    assert kernels.min() >= 0
    diagonal = 1 / np.sqrt(2)
    for j, y in enumerate((-diagonal, 0, diagonal)):
        for colour in range(3):
            whole = pixel_psf(lens.wavefront, colour, (diagonal, y), lens.fnumber, lens.pitch)
            edge = (whole.shape[0] - kernels.shape[-1]) // 2
            inner = whole[edge : whole.shape[0] - edge, edge : whole.shape[0] - edge]
            assert inner.sum() > 0.975
            assert np.allclose(kernels[j, 2, colour], inner / inner.sum(), atol=1e-6)


def test_too_coarse_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="too coarse"):
        fine_psf(Wavefront(), 2, AXIS, 1.4, 9.0)
