"""What all corruptions have in common, and the decorator that declares one.

Strengths are those of the authors' scripts. `imagenet`: ImageNet-C in the form of the package imagecorruptions 1.1.2,
which made the corruptions work for any picture size (Michaelis et al., 2019). `cifar`: CIFAR-10-C, from
`ImageNet-C/create_c/make_cifar_c.py` of the authors' repository hendrycks/robustness, for pictures of 32 x 32."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from qbench.degrade.corruptions.call import Call, Keyed, Legacy, Parameters, Size
from qbench.degrade.jpeg import jpeg
from qbench.degrade.labels import Degradation, with_modes
from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

Mode = Literal["fast", "parity"]
FAST_VERSION = 1
"""Rises whenever the pixels of fast mode change; stands in the facts of every picture."""
REFERENCE = "imagecorruptions 1.1.2"
LIBRARIES = ("opencv", "scipy", "libjpeg_turbo")
SMALLEST = 32
RESAVED = 85
"""The JPEG quality at which the files of ImageNet-C are distributed."""


@dataclass(frozen=True, config=STRICT)
class Corruption(Degradation, ABC):
    """One corruption of ImageNet-C at a `severity` 1..5, on pictures of at least 32 x 32 pixels.

    `mode`: `fast`, or `parity`, which follows imagecorruptions 1.1.2 value for value, given its random stream.
    `size`: the strengths of ImageNet-C (`imagenet`) or, for small pictures, those of CIFAR-10-C (`cifar`). `resave`:
    save the result as JPEG of quality 85, as the files of ImageNet-C are. A grey picture is treated as one channel.

    `numpy_seed`, in parity mode: every picture is drawn as imagecorruptions draws it right after
    `numpy.random.seed(numpy_seed)`, whatever the suite's seed and the sample; without it, by these two."""

    severity: int = Field(ge=1, le=5)
    mode: Mode = "fast"
    size: Size = "imagenet"
    resave: bool = False
    numpy_seed: int | None = Field(default=None, ge=0, lt=2**32)
    strengths: ClassVar[Mapping[Size, tuple[Parameters, ...]]]
    """What the code is given at severities 1..5."""

    @model_validator(mode="after")
    def _seeds_the_reference_alone(self) -> Self:
        if self.numpy_seed is not None and self.mode != "parity":
            raise ValueError("numpy_seed is for `mode: parity`; the draws of fast mode follow the suite's seed")
        return self

    @staticmethod
    @abstractmethod
    def fast(image: Image, call: Keyed) -> Image:
        """uint8 [H, W, 3] or [H, W] to the same, quickly."""

    @staticmethod
    @abstractmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        """Levels 0..255 of the same shape as the reference makes them; their fractions are cut off."""

    @property
    def modes(self) -> tuple[str, ...]:
        size, mode = self.size if self.size != "imagenet" else "", self.mode if self.mode != "fast" else ""
        seed = f"numpy seed {self.numpy_seed}" if self.numpy_seed is not None else ""
        return size, mode, seed, f"saved at JPEG {RESAVED}" if self.resave else ""

    @property
    def label(self) -> str:
        return with_modes(f"{self.name}/{self.severity}", *self.modes)

    @property
    def axis(self) -> tuple[str, float]:
        return "severity", float(self.severity)

    def _reference(self, draw: Draw) -> np.random.RandomState:
        return legacy(draw(self.name)) if self.numpy_seed is None else np.random.RandomState(self.numpy_seed)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        """uint8 [H, W, 3] or [H, W] to the same. Raises ConditionError for other pictures and missing textures."""
        checked(image, self.label, smallest=SMALLEST)
        strength = self.strengths[self.size][self.severity - 1]
        facts: dict[str, Any] = {"mode": self.mode}
        if self.mode == "parity":
            facts["reference"] = REFERENCE
            if self.numpy_seed is not None:
                facts["numpy_seed"] = self.numpy_seed
            levels = self.parity(image, Call(strength, lambda: self._reference(draw), self.size, facts))
            corrupted = levels.astype(np.uint8)
        else:
            facts["version"] = FAST_VERSION
            corrupted = self.fast(image, Call(strength, lambda: draw(self.name), self.size, facts))
        return (jpeg(corrupted, RESAVED)[0] if self.resave else corrupted), facts


C = TypeVar("C", bound=type[Corruption])


def corruption(name: str, *, imagenet: tuple[Parameters, ...], cifar: tuple[Parameters, ...]) -> Callable[[C], C]:
    """Declare a corruption as a condition: a class with the code of both modes. Strengths are of severities 1..5."""

    def declare(target: C) -> C:
        target.name, target.strengths = name, {"imagenet": imagenet, "cifar": cifar}
        return condition(name, libraries=LIBRARIES)(target)

    return declare


def scalars(*values: float) -> tuple[Parameters, ...]:
    """Strengths of one number each."""
    return tuple((value,) for value in values)


def legacy(rng: np.random.Generator) -> np.random.RandomState:
    """numpy's legacy stream, as the reference uses it, seeded by a keyed draw."""
    return np.random.RandomState(np.random.MT19937(rng.integers(0, 1 << 32, 4).tolist()))
