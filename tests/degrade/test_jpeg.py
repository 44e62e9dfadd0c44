"""JPEG against files that Pillow writes to disk, and the tables inside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from qbench.degrade.jpeg import AnyOf, Jpeg, Rejpeg, jpeg
from qbench.draws import Draw
from qbench.errors import ConditionError

DRAW = Draw(0, "x")
LUMA = [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
        51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
        120, 101, 72, 92, 95, 98, 112, 100, 103, 99]  # fmt: skip
"""ITU-T T.81, table K.1, row by row."""


def picture(height: int = 45, width: int = 61, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128, 200, (height, width, 3))
    return np.clip(gaussian_filter(noise, (2, 2, 0)) * 3 - 256, 0, 255).astype(np.uint8)


def through_a_file(image: np.ndarray, quality: int, file: Path) -> tuple[np.ndarray, int]:
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    with Image.open(file) as stored:
        return np.asarray(stored.convert("RGB")), file.stat().st_size


@pytest.mark.parametrize("quality", [1, 7, 10, 15, 18, 25, 50, 95, 100])
@pytest.mark.parametrize("size", [(45, 61), (8, 8), (1, 1), (16, 224)])
def test_a_round_trip_has_the_bits_of_a_file_on_disk(tmp_path: Path, quality: int, size: tuple[int, int]) -> None:
    image = picture(*size)
    expected, length = through_a_file(image, quality, tmp_path / "x.jpg")
    degraded, counted = jpeg(image, quality)
    assert np.array_equal(degraded, expected)
    assert counted == length
    condition, facts = Jpeg(quality).apply(image, DRAW)
    assert np.array_equal(condition, expected)
    assert facts["quality"] == [quality]
    assert (facts["bytes"], facts["bpp"]) == (length, 8 * length / (size[0] * size[1]))


def test_rejpeg_is_one_file_after_the_other(tmp_path: Path) -> None:
    image = picture()
    degraded, facts = Rejpeg(4).apply(image, Draw(3, "y"))
    assert len(facts["quality"]) == 4
    assert set(facts["quality"]) <= {25, 18, 15, 10, 7}
    expected, length = image, 0
    for quality in facts["quality"]:
        expected, length = through_a_file(expected, quality, tmp_path / "x.jpg")
    assert np.array_equal(degraded, expected)
    assert facts["bpp"] == 8 * length / (45 * 61)


def test_one_compression_of_a_drawn_quality_is_that_of_this_quality_alone() -> None:
    """Pictures and facts of CT = 1 are those of the sets of one quality (25, 18, 15, 10 and 7)."""
    drawn = set()
    for sample in "abcdefghijklmnop":
        image = picture(seed=ord(sample))
        degraded, facts = Rejpeg(1).apply(image, Draw(0, sample))
        (quality,) = facts["quality"]
        alone, facts_alone = Jpeg(quality).apply(image, Draw(1, "another"))
        assert np.array_equal(degraded, alone)
        assert facts == {key: facts_alone[key] for key in facts}
        drawn.add(quality)
    assert drawn == {25, 18, 15, 10, 7}


def test_rejpeg_at_one_quality_and_from_a_list() -> None:
    image = picture()
    once, _ = Rejpeg(1, 30).apply(image, DRAW)
    assert np.array_equal(once, jpeg(image, 30)[0])
    for sample in "abcdef":
        _, facts = Rejpeg(3, AnyOf((40, 50))).apply(image, Draw(0, sample))
        assert set(facts["quality"]) <= {40, 50}


def test_draws_take_each_quality_about_as_often() -> None:
    drawn = [q for i in range(400) for q in Rejpeg(2).apply(picture(8, 8), Draw(1, f"{i}"))[1]["quality"]]
    counts = np.array([drawn.count(q) for q in (25, 18, 15, 10, 7)])
    assert counts.sum() == 800
    assert ((counts - 160) ** 2 / 160).sum() < 18.5, "chi squared with 4 degrees of freedom, p = 0.001"


def test_the_function_takes_uint8_pictures_too() -> None:
    with pytest.raises(ConditionError, match=r"^jpeg takes uint8 pictures, not float64 values"):
        jpeg(picture() / 255, 10)


@pytest.mark.parametrize("quality", [0, -5, 101])
def test_qualities_lie_in_1_to_100(quality: int) -> None:
    for make in (lambda: Jpeg(quality), lambda: Rejpeg(2, quality), lambda: Rejpeg(2, AnyOf((10, quality)))):
        with pytest.raises(ValidationError, match=rf"a JPEG quality lies in 1\.\.100, not {quality}"):
            make()
    with pytest.raises(ValidationError):
        Rejpeg(0)
    with pytest.raises(ValidationError):
        AnyOf(())
