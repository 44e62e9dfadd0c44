"""The named lenses: two designs (sources) and the same two as built (targets), each on a camera of its own.

The coefficients are this project's own, within the ranges of uncorrected small lenses (0.5-2 waves of spherical
aberration, 0.5-3 of coma, 0.5-2 of astigmatism and field curvature). What is built differs from its design as lenses do
that are made in numbers: 20-40 % in the coefficients, a tilted focal plane, decentred elements (coma in the centre) and
errors of figure; and its camera has its own colours, tone curve, more noise and a JPEG file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import hypot
from typing import Any

import numpy as np

from qbench.degrade.optics.camera import Camera, Colour
from qbench.degrade.optics.psf import Kernel, pixel_psf, rms_radius, trimmed
from qbench.degrade.optics.wavefront import Wavefront, rms


@dataclass(frozen=True)
class Lens:
    """A lens on a camera."""

    name: str
    summary: str
    wavefront: Wavefront
    fnumber: float
    pitch: float
    """Side of a pixel in µm."""
    falloff: float
    """The light that the corners lose: relative illumination is 1 - falloff · H²."""
    camera: Camera


_IDEAL = Colour((1.9, 1.0, 1.6), ((1.6, -0.45, -0.15), (-0.25, 1.5, -0.25), (-0.05, -0.5, 1.55)))
_CHEAP = Colour((2.1, 1.0, 1.5), ((1.75, -0.6, -0.15), (-0.35, 1.7, -0.35), (-0.05, -0.75, 1.8)))
_CHEAP_GUESS = Colour((2.0, 1.0, 1.58), ((1.6, -0.45, -0.15), (-0.25, 1.5, -0.25), (-0.05, -0.5, 1.55)))
_PHONE = Colour((1.7, 1.0, 1.9), ((1.5, -0.4, -0.1), (-0.2, 1.4, -0.2), (-0.1, -0.4, 1.5)))
_PHONE_GUESS = Colour((1.78, 1.0, 1.82), ((1.7, -0.55, -0.15), (-0.3, 1.6, -0.3), (-0.1, -0.55, 1.65)))

_ALL = (
    Lens(
        "doublet",
        "source: a cemented doublet as designed; spherical aberration, some coma, little colour",
        Wavefront(
            w020=-0.9, w040=1.0, w131=0.9, w222=0.6, w220=0.6, w311=0.1, axial=(0.3, 0.0, 0.4),
            lateral=(0.25, 0.0, -0.3),
        ),
        fnumber=4.0,
        pitch=4.0,
        falloff=0.25,
        camera=Camera(_IDEAL, _IDEAL, photons=4000, read=0.002),
    ),
    Lens(
        "doublet-as-built",
        "target: the doublet with tilted focal plane, decentred elements and another camera",
        Wavefront(
            w020=-0.6, w040=1.35, w131=1.2, w222=0.8, w220=0.45, w311=0.13, axial=(0.4, 0.0, 0.55),
            lateral=(0.33, 0.0, -0.4), tilt=(1.3, -0.7), decentre=(0.6, 0.4), zernike=((3, 3, 0.12), (2, -2, 0.1)),
        ),
        fnumber=4.0,
        pitch=4.0,
        falloff=0.33,
        camera=Camera(_CHEAP, _CHEAP_GUESS, photons=700, read=0.005, gamma=2.35, jpeg=90),
    ),
    Lens(
        "landscape",
        "source: a single meniscus as designed; astigmatism, curved field and strong colour",
        Wavefront(
            w020=-0.7, w040=0.6, w131=1.3, w222=1.5, w220=1.2, w311=0.3, axial=(-0.7, 0.0, 0.8),
            lateral=(-0.9, 0.0, 1.1),
        ),
        fnumber=5.6,
        pitch=5.6,
        falloff=0.4,
        camera=Camera(_IDEAL, _IDEAL, photons=4000, read=0.002),
    ),
    Lens(
        "landscape-as-built",
        "target: the meniscus with tilted focal plane, decentred stop and another camera",
        Wavefront(
            w020=-1.1, w040=0.8, w131=1.8, w222=1.8, w220=1.4, w311=0.4, axial=(-0.9, 0.0, 1.1),
            lateral=(-1.2, 0.0, 1.4), tilt=(-0.9, 1.2), decentre=(-0.5, 0.7), zernike=((2, 2, 0.12), (3, -3, 0.1)),
        ),
        fnumber=5.6,
        pitch=5.6,
        falloff=0.5,
        camera=Camera(_PHONE, _PHONE_GUESS, photons=500, read=0.006, gamma=2.1, jpeg=90),
    ),
)  # fmt: skip
LENSES = {lens.name: lens for lens in _ALL}


@lru_cache(maxsize=64)
def psf_field(lens: Lens, strength: float, aspect: tuple[int, int], nodes: int) -> Kernel:
    """Kernels [nodes, nodes, 3, size, size] at points that part a picture evenly from edge to edge (rows, columns,
    colours). `aspect` is its height and width, in any unit; `strength` scales the wavefront."""
    wavefront = lens.wavefront.scaled(strength)
    diagonal = hypot(*aspect)
    across = [position * aspect[1] / diagonal for position in np.linspace(-1, 1, nodes)]
    down = [position * aspect[0] / diagonal for position in np.linspace(-1, 1, nodes)]
    spread = [
        [[pixel_psf(wavefront, colour, (x, y), lens.fnumber, lens.pitch) for colour in range(3)] for x in across]
        for y in down
    ]
    return trimmed(np.array(spread))


def aspect_of(height: int, width: int) -> tuple[int, int]:
    """Height and width in 32nds of the longer side, so that pictures of nearly one shape share their kernels."""
    longer = max(height, width)
    return max(round(32 * height / longer), 1), max(round(32 * width / longer), 1)


@lru_cache(maxsize=64)
def describe(lens: Lens, strength: float) -> dict[str, Any]:
    """Green light on the axis, halfway and in the right lower corner: wavefront in waves rms, blur in pixels rms."""
    wavefront = lens.wavefront.scaled(strength)
    points = [(0.0, 0.0), (0.354, 0.354), (0.707, 0.707)]
    kernels = [trimmed(pixel_psf(wavefront, 1, point, lens.fnumber, lens.pitch)) for point in points]
    return {
        "rms_waves": [round(rms(wavefront, 1, point), 4) for point in points],
        "rms_radius": [round(rms_radius(kernel), 3) for kernel in kernels],
        "photons": lens.camera.photons,
        "read": lens.camera.read,
        "jpeg": lens.camera.jpeg,
    }
