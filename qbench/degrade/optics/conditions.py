"""The condition `lens`: the aberrations, the noise and the rendering of a named lens and its camera."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from qbench.degrade.labels import Degradation
from qbench.degrade.optics.lenses import LENSES, describe
from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.errors import nearest
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

SMALLEST = 32


@condition("lens", libraries=("numpy", "opencv", "libjpeg_turbo"))
@dataclass(frozen=True, config=STRICT)
class LensCamera(Degradation):
    """A lens that blurs each place and colour differently, on a camera with noise; `design` names it.

    Sources: `doublet`, `landscape`; targets, the same as built: `doublet-as-built`, `landscape-as-built`. `strength`
    scales the wavefront error (0: diffraction alone; 1: as the lens is); the kernels of a new strength or shape of
    picture take a fifth of a second. The picture fills the lens's field, whatever its size. Literature: Seidel
    coefficients of 0.5-2 waves; sources and targets that differ as in QDMR (Jiang et al., arXiv 2403.10012), whose own
    lenses are not public."""

    name = "lens"
    design: str
    strength: float = Field(default=1.0, ge=0, le=2)
    noise: bool = True

    @field_validator("design")
    @classmethod
    def _known(cls, design: str) -> str:
        if design not in LENSES:
            raise ValueError(f"there is no lens {design!r}{nearest(design, LENSES)}; lenses are {', '.join(LENSES)}")
        return design

    @property
    def label(self) -> str:
        strength = "" if self.strength == 1 else f" ×{self.strength:g}"
        return f"lens({self.design}{strength}{'' if self.noise else ', no noise'})"

    @property
    def family(self) -> str:
        return f"lens({self.design}{'' if self.noise else ', no noise'})"

    @property
    def axis(self) -> tuple[str, float]:
        return "strength", self.strength

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        from qbench.degrade.optics.simulate import photograph

        lens = LENSES[self.design]
        rng = draw("lens") if self.noise else None
        seen = photograph(checked(image, self.label, SMALLEST), lens, self.strength, rng)
        facts = {"lens": self.design, "strength": self.strength, "noise": self.noise, **describe(lens, self.strength)}
        return seen, facts
