"""The condition that is none. In a module of its own: its cells depend on no codec."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image


@condition("clean")
@dataclass(frozen=True, config=STRICT)
class Clean:
    """The view as it is."""

    @property
    def label(self) -> str:
        return "clean"

    @property
    def axis(self) -> None:
        return None

    @property
    def family(self) -> str:
        return "clean"

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        return checked(image, self.label), {}
