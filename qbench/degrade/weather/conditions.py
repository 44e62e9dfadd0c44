"""The conditions `haze` and `rain`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.labels import ByParameters
from qbench.degrade.picture import SMALLEST, STRICT, checked
from qbench.degrade.weather.haze import haze, procedural_depth
from qbench.degrade.weather.rain import rain
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

LIBRARIES = ("numpy", "opencv")
DENSITIES = {"light": 0.03, "medium": 0.08, "heavy": 0.16}


@condition("haze", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Haze(ByParameters):
    """Haze by the scattering model over a depth that is drawn for each sample (ground to a horizon, smooth relief).

    `beta` scatters per unit of depth, of which the farthest point has one; `airlight` is the grey of the air, 1 is
    white. Literature: beta 0.6-1.8 and airlight 0.7-1 (RESIDE ITS; Li et al., IEEE TIP 28:492, 2019)."""

    name = "haze"
    beta: float = Field(default=1.2, ge=0, le=100)
    airlight: float = Field(default=0.85, ge=0, le=1)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        height, width = checked(image, self.label, SMALLEST).shape[:2]
        depth = procedural_depth(height, width, draw("haze"))
        facts = {"beta": self.beta, "airlight": self.airlight, "mean_depth": round(float(depth.mean()), 4)}
        return haze(image, depth, self.beta, self.airlight), facts


@condition("rain", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Rain(ByParameters):
    """Rain streaks at three depths over a slight veil.

    `density`: `light`, `medium`, `heavy` or the share of the picture that streaks cover; `length` of the nearest in
    pixels; `angle` in degrees, 90 is upright. Literature: three densities (Rain1200; Zhang and Patel, CVPR 2018),
    angles of 60-120 degrees, lengths of 9-35 pixels."""

    name = "rain"
    density: Literal["light", "medium", "heavy"] | Annotated[float, Field(ge=0, le=0.5)] = "medium"
    length: float = Field(default=21.0, ge=1, le=200)
    angle: float = Field(default=80.0, ge=-360, le=360)

    @property
    def axis(self) -> tuple[str, float]:
        return "density", self._share

    @property
    def _share(self) -> float:
        return DENSITIES[self.density] if isinstance(self.density, str) else self.density

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        checked(image, self.label, SMALLEST)
        facts = {"density": self._share, "length": self.length, "angle": self.angle}
        return rain(image, self._share, self.length, self.angle, draw("rain")), facts
