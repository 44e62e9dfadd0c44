"""The wavefront error of a lens over pupil, field and colour, in waves."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import factorial, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Triple = tuple[float, float, float]
REFERENCE = 0.55
"""Micrometres: the wavelength whose waves all coefficients count."""
WAVELENGTHS: Triple = (0.62, 0.55, 0.46)
"""Micrometres, one for each of red, green and blue."""
NONE: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Wavefront:
    """Third-order (Seidel) coefficients, colour, misalignment and figure errors, all in waves of 0.55 µm.

    With the pupil point p (|p| = 1 at its edge), the field point H (|H| = 1 in the picture's corners; x to the right,
    y down) and the colour c, after Welford, Aberrations of Optical Systems (1986), and, for misaligned systems,
    Thompson, J. Opt. Soc. Am. A 22:1389 (2005):

    W = (w020 + axial_c + tilt·H) p² + w040 p⁴ + (w131 H + decentre)·p p² + w222 (H·p)² + w220 H² p²
        + (w311 H² + lateral_c) H·p + Σ a_nm Z_nm(p)."""

    w020: float = 0.0
    w040: float = 0.0
    w131: float = 0.0
    w222: float = 0.0
    w220: float = 0.0
    w311: float = 0.0
    axial: Triple = NONE
    """Defocus of each colour."""
    lateral: Triple = NONE
    """Wavefront tilt of each colour in the corner: a shift away from the centre where positive."""
    tilt: tuple[float, float] = (0.0, 0.0)
    """A tilted focal plane: defocus that grows linearly over the field."""
    decentre: tuple[float, float] = (0.0, 0.0)
    """Coma that is the same all over the field."""
    zernike: tuple[tuple[int, int, float], ...] = ()
    """Errors of figure, the same all over the field: (n, m, waves rms)."""

    def scaled(self, factor: float) -> Wavefront:
        """Every coefficient times `factor`."""
        changed: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "zernike":
                changed[item.name] = tuple((n, m, a * factor) for n, m, a in value)
            else:
                changed[item.name] = tuple(v * factor for v in value) if isinstance(value, tuple) else value * factor
        return replace(self, **changed)

    def error(self, colour: int, field: tuple[float, float], x: Array, y: Array) -> Array:
        """The error in waves at the pupil points (x, y), for `colour` 0, 1, 2 (red, green, blue) at one field point."""
        hx, hy = field
        square, height = x * x + y * y, hx * hx + hy * hy
        along = hx * x + hy * y
        defocus = self.w020 + self.axial[colour] + self.tilt[0] * hx + self.tilt[1] * hy + self.w220 * height
        coma = self.w131 * along + self.decentre[0] * x + self.decentre[1] * y
        total = (defocus + self.w040 * square + coma) * square + self.w222 * along * along
        total = total + (self.w311 * height + self.lateral[colour]) * along
        for n, m, amount in self.zernike:
            total = total + amount * zernike(n, m, x, y)
        return total


def zernike(n: int, m: int, x: Array, y: Array) -> Array:
    """The Zernike polynomial of radial degree n and azimuthal frequency m, of unit rms over the unit disk
    (Noll, J. Opt. Soc. Am. 66:207, 1976); the cosine for m >= 0, the sine for m < 0.

    Raises ValueError where n - |m| is negative or odd."""
    order = abs(m)
    if n < order or (n - order) % 2:
        raise ValueError(f"there is no Zernike polynomial with n = {n} and m = {m}")
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    radial = np.zeros_like(radius)
    for k in range((n - order) // 2 + 1):
        below = factorial(k) * factorial((n + order) // 2 - k) * factorial((n - order) // 2 - k)
        radial += (-1) ** k * factorial(n - k) / below * radius ** (n - 2 * k)
    turn = np.ones_like(angle) if m == 0 else sqrt(2) * (np.cos(order * angle) if m > 0 else np.sin(order * angle))
    return np.asarray(sqrt(n + 1) * radial * turn)


def rms(wavefront: Wavefront, colour: int, field: tuple[float, float]) -> float:
    """The rms wavefront error in waves, its mean and its tilt (which blurs nothing) taken out."""
    side = (np.arange(96) + 0.5) / 48 - 1
    x, y = (axis[np.hypot(*np.meshgrid(side, side)) <= 1] for axis in np.meshgrid(side, side))
    errors = wavefront.error(colour, field, x, y)
    plane = np.stack([np.ones_like(x), x, y], axis=1)
    flat, *_ = np.linalg.lstsq(plane, errors, rcond=None)
    return float(np.sqrt(np.mean((errors - plane @ flat) ** 2)))
