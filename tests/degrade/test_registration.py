"""A corruption and a codec are one declaration each, and a cell's code is that of its own condition."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from qbench.degrade import condition
from qbench.degrade.codecs.files import FileCodec, codec
from qbench.degrade.corruptions.base import Corruption, corruption, scalars
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.picture import STRICT
from qbench.draws import Draw
from qbench.keys.sources import closure
from qbench.keys.versions import library_version
from qbench.registry import get
from qbench.vocabulary import Facts, Image

PICTURE = np.arange(40 * 48 * 3, dtype=np.uint64).reshape(40, 48, 3).astype(np.uint8)


@corruption("test-lowered", imagenet=scalars(1, 2, 3, 4, 5), cifar=scalars(10, 20, 30, 40, 50))
class Lowered(Corruption):
    """Fewer grey levels everywhere."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        return np.maximum(image, np.uint8(call.c[0])) - np.uint8(call.c[0])

    @staticmethod
    def parity(image: Image, call: Legacy) -> Any:
        return np.clip(image / 1.0 - call.c[0] + 0.9, 0, 255)


@codec("test-deflated", library="test-zlib", version=lambda: "7.8")
@dataclass(frozen=True, config=STRICT)
class Deflated(FileCodec):
    """Half of the levels, deflated."""

    level: int = 6

    @property
    def axis(self) -> tuple[str, float]:
        return "level", float(self.level)

    def encode(self, image: Image) -> bytes:
        return bytes([*np.array(image.shape, np.uint8)]) + zlib.compress((image // 2 * 2).tobytes(), self.level)

    def decode(self, data: bytes, grey: bool) -> Image:
        sides = 2 if grey else 3
        return np.frombuffer(zlib.decompress(data[sides:]), np.uint8).reshape(*data[:sides])

    def facts_of(self, image: Image) -> Facts:
        return {"level": self.level}


def test_a_corruption_is_declared_by_its_strengths_and_the_code_of_two_modes() -> None:
    for size, strength in (("imagenet", 3), ("cifar", 30)):
        lowered, facts = condition("test-lowered", severity=3, size=size).apply(PICTURE, Draw(0, "a"))
        assert np.array_equal(lowered, np.clip(PICTURE.astype(int) - strength, 0, 255))
        assert facts == {"mode": "fast", "version": 1}
    exact, facts = condition("test-lowered", severity=3, mode="parity").apply(PICTURE, Draw(0, "a"))
    assert np.array_equal(exact, np.clip(PICTURE - 3.0 + 0.9, 0, 255).astype(np.uint8)), "fractions are cut off"
    assert facts == {"mode": "parity", "reference": "imagecorruptions 1.1.2"}
    assert condition("test-lowered", severity=3).label == "test-lowered/3"
    assert "opencv" in get("condition", "test-lowered").facts["libraries"]


@pytest.mark.parametrize("picture", [PICTURE, PICTURE[..., 0]], ids=["colour", "grey"])
def test_a_codec_is_declared_by_its_library_and_what_tells_its_version(picture: Image) -> None:
    deflated, facts = condition("test-deflated", level=9).apply(picture, Draw(0, "a"))
    assert np.array_equal(deflated, picture // 2 * 2)
    assert facts["codec"] == "test-zlib 7.8"
    assert facts["bpp"] == pytest.approx(8 * facts["bytes"] / (40 * 48))
    assert condition("test-deflated", level=9).label == "test-deflated@9"
    assert get("condition", "test-deflated").facts["libraries"] == ("test-zlib",)
    assert library_version("test-zlib") == "7.8"


@pytest.mark.parametrize(
    ("name", "holds", "lacks"),
    [
        ("clean", {"clean", "picture"}, {"codecs", "corruptions", "jpeg", "labels"}),
        ("fog", {"corruptions.fog", "corruptions.fast.plasma", "jpeg"}, {"corruptions.snow", "codecs.webp", "weather"}),
        ("frost", {"corruptions.frost", "corruptions.ice"}, {"corruptions.fog", "noise"}),
        ("webp", {"codecs.webp", "codecs.files"}, {"codecs.avif", "jpeg", "corruptions"}),
        ("awgn", {"noise.conditions"}, {"codecs", "blur", "weather", "corruptions"}),
        ("rain", {"weather.rain", "blur.kernels"}, {"codecs", "noise", "corruptions"}),
    ],
)
def test_the_code_of_a_cell_is_that_of_its_condition(name: str, holds: set[str], lacks: set[str]) -> None:
    modules = {module.removeprefix("qbench.degrade.") for module in closure(get("condition", name).module)}
    assert holds <= modules
    assert not {module for module in modules for other in lacks if f"{module}.".startswith(f"{other}.")}
