"""Compressions that are not aligned, and the steps between two: grid shift, resizing, cropping."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from qbench.degrade.codecs.grid import window
from qbench.degrade.codecs.steps import Crop, Resize, Shift
from qbench.degrade.jpeg import AnyOf, Jpeg, Offset, Rejpeg
from qbench.draws import Draw
from qbench.errors import ConditionError
from tests.degrade.codec_files import natural

DRAW = Draw(0, "x")


def squared(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(a.astype(float) - b).mean())


def on_a_grid(image: np.ndarray, quality: int, x: int, y: int) -> tuple[np.ndarray, int]:
    """A JPEG whose blocks begin `x` pixels left of the picture and `y` above it, by numpy's padding and Pillow."""
    around = [(y, 0), (x, 0), (0, 0)][: image.ndim]
    buffer = io.BytesIO()
    Pillow.fromarray(np.pad(image, around, mode="symmetric")).save(buffer, "JPEG", quality=quality)
    return np.array(Pillow.open(buffer))[y:, x:], buffer.tell()


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("shift", [8, 16, 2, Offset(4, 4), Offset(3, 0), Offset(9, 11)])
def test_shifted_rounds_are_files_of_the_picture_with_mirrored_borders(shift: int | Offset, grey: bool) -> None:
    image = natural(45, 61, grey=grey)
    condition = Rejpeg(4, AnyOf((60, 30, 20)), shift)
    degraded, facts = condition.apply(image, Draw(5, "y"))
    expected, length = image, 0
    for quality, (x, y) in zip(facts["quality"], facts["grid"], strict=True):
        expected, length = on_a_grid(expected, quality, x, y)
    assert np.array_equal(degraded, expected)
    x, y = facts["grid"][-1]
    assert facts["bytes"] == length
    assert facts["bpp"] == 8 * length / ((45 + y) * (61 + x)), "over the pixels that the file holds"
    if isinstance(shift, Offset):
        assert facts["grid"] == [[k * shift.dx % 16, k * shift.dy % 16] for k in range(4)]
    else:
        moves = np.diff(np.array(facts["grid"]), axis=0) % 16
        assert facts["grid"][0] == [0, 0]
        assert moves.max() < shift


@pytest.mark.parametrize("shift", [0, 8, Offset(4, 4)])
def test_fewer_rounds_are_the_first_of_more(shift: int | Offset) -> None:
    image = natural(40, 48)
    twice, facts2 = Rejpeg(2, shift=shift).apply(image, DRAW)
    _, facts3 = Rejpeg(3, shift=shift).apply(image, DRAW)
    assert facts3["quality"][:2] == facts2["quality"]
    if shift:
        assert facts3["grid"][:2] == facts2["grid"]
        thrice, _ = Rejpeg(3, shift=shift).apply(image, DRAW)
        x, y = facts3["grid"][2]
        assert np.array_equal(thrice, on_a_grid(twice, facts3["quality"][2], x, y)[0])


def test_qualities_are_the_same_with_and_without_a_shift() -> None:
    for sample in "abcdef":
        aligned = Rejpeg(5).apply(natural(8, 8), Draw(0, sample))[1]
        moved = Rejpeg(5, shift=8).apply(natural(8, 8), Draw(0, sample))[1]
        assert aligned["quality"] == moved["quality"]
        assert "grid" not in aligned


def test_moves_take_each_offset_about_as_often() -> None:
    moves = np.concatenate(
        [
            np.diff(np.array(Rejpeg(3, 50, 8).apply(natural(8, 8), Draw(1, f"{i}"))[1]["grid"]), axis=0)
            for i in range(200)
        ]
    )
    for way in (moves[:, 0] % 16, moves[:, 1] % 16):
        counts = np.bincount(way, minlength=8)
        assert len(counts) == 8
        assert ((counts - 50) ** 2 / 50).sum() < 24.3, "chi squared with 7 degrees of freedom, p = 0.001"
    assert abs(np.corrcoef(moves[:, 0] % 16, moves[:, 1] % 16)[0, 1]) < 0.17


def test_moves_do_not_follow_the_qualities() -> None:
    image, qualities = natural(8, 8), tuple(range(10, 90, 10))
    drawn = [Rejpeg(2, AnyOf(qualities), 8).apply(image, Draw(2, f"{i}"))[1] for i in range(400)]
    second = [facts["quality"][1] for facts in drawn]
    for way in (0, 1):
        moves = [facts["grid"][1][way] for facts in drawn]
        assert abs(np.corrcoef(second, moves)[0, 1]) < 0.17, "3.3 standard errors"


@pytest.mark.parametrize("grey", [False, True])
def test_an_aligned_second_round_changes_little_and_a_shifted_one_much(grey: bool) -> None:
    image = natural(128, 128, grey=grey)
    once = Rejpeg(1, 15).apply(image, DRAW)[0]
    aligned = Rejpeg(2, 15).apply(image, DRAW)[0]
    shifted = Rejpeg(2, 15, Offset(4, 4)).apply(image, DRAW)[0]
    assert squared(aligned, once) < 0.1 * squared(shifted, once)
    whole = Rejpeg(2, 15, Offset(16, 16)).apply(image, DRAW)[0]
    assert np.array_equal(whole, aligned), "a grid moved by a whole unit is the same grid"
    assert squared(shifted, image) > squared(aligned, image)


def test_the_content_stays_in_place() -> None:
    image = natural(64, 64)
    degraded, _ = Rejpeg(4, 95, 8).apply(image, DRAW)
    here = squared(degraded, image)
    for axis in (0, 1):
        assert here < 0.2 * squared(np.roll(degraded, 1, axis), image)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 30), width=st.integers(1, 30), top=st.integers(-70, 70), left=st.integers(-70, 70),
    grey=st.booleans(),
)  # fmt: skip
def test_a_window_goes_on_mirrored_at_every_border(height: int, width: int, top: int, left: int, grey: bool) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    part = window(image, top, left, 9, 7)
    assert part.shape[:2] == (9, 7)
    for row in range(9):
        for column in range(7):
            y, x = (top + row) % (2 * height), (left + column) % (2 * width)
            expected = image[min(y, 2 * height - 1 - y), min(x, 2 * width - 1 - x)]
            assert np.array_equal(part[row, column], expected)


@settings(max_examples=40, deadline=None)
@given(dx=st.integers(-20, 20), dy=st.integers(-20, 20), grey=st.booleans())
def test_shifting_there_and_back_is_the_identity_but_for_the_border(dx: int, dy: int, grey: bool) -> None:
    image = natural(48, 56, grey=grey)
    moved, facts = Shift(dx, dy).apply(image, DRAW)
    assert facts == {"shift": [dx, dy]}
    inner = moved[max(dy, 0) : 48 + min(dy, 0), max(dx, 0) : 56 + min(dx, 0)]
    assert np.array_equal(inner, image[max(-dy, 0) : 48 + min(-dy, 0), max(-dx, 0) : 56 + min(-dx, 0)])
    back, _ = Shift(-dx, -dy).apply(moved, DRAW)
    kept = (slice(max(-dy, 0), 48 - max(dy, 0)), slice(max(-dx, 0), 56 - max(dx, 0)))
    assert np.array_equal(back[kept], image[kept])


def test_shift_then_jpeg_is_jpeg_on_another_grid() -> None:
    image = Jpeg(15).apply(natural(96, 96), DRAW)[0]
    moved = Shift(4, 4).apply(image, DRAW)[0]
    assert squared(Jpeg(15).apply(moved, DRAW)[0], moved) > 10 * squared(Jpeg(15).apply(image, DRAW)[0], image)


@pytest.mark.parametrize("kind", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
@pytest.mark.parametrize("scale", [0.5, 0.3, 1.7])
def test_resizing_is_pillow_s_there_and_back(scale: float, kind: Any) -> None:
    image = natural(45, 61)
    degraded, facts = Resize(scale, kind).apply(image, DRAW)
    way = getattr(Pillow, kind.upper())
    between = Pillow.fromarray(image).resize((int(61 * scale + 0.5), int(45 * scale + 0.5)), resample=way)
    assert np.array_equal(degraded, np.array(between.resize((61, 45), resample=way)))
    assert facts == {"scale": scale, "between": [between.height, between.width], "filter": kind}


def test_resizing_by_one_changes_nothing_and_less_keeps_less() -> None:
    image = natural(64, 64)
    assert np.array_equal(Resize(1).apply(image, DRAW)[0], image)
    errors = [squared(Resize(scale).apply(image, DRAW)[0], image) for scale in (0.9, 0.6, 0.3, 0.1, 0.02)]
    assert errors == sorted(errors)
    assert errors[0] < squared(np.full_like(image, image.mean()), image) / 10


def test_cropping_scales_the_inside_up_to_the_whole() -> None:
    image = natural(45, 61)
    degraded, facts = Crop(5, "lanczos").apply(image, DRAW)
    inside = Pillow.fromarray(image).crop((5, 5, 56, 40)).resize((61, 45), Pillow.LANCZOS)
    assert np.array_equal(degraded, np.array(inside))
    assert facts == {"border": 5, "filter": "lanczos"}
    with pytest.raises(ConditionError, match=r"^crop@5 takes pictures of at least 11x11 pixels, not 10x20$"):
        Crop(5).apply(natural(10, 20), DRAW)
