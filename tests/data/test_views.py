"""Views against torchvision's functions on PIL pictures, with sizes worked out in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode
from torchvision.transforms.functional import crop as crop_at
from torchvision.transforms.functional import resize

from qbench.data.views import View

SIZES = st.integers(5, 90)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_torchvision(image: np.ndarray, short: int | None, crop: int, interpolation: str) -> np.ndarray:
    """Exact fractions, and torchvision's own resize and crop with explicit sizes."""
    height, width = image.shape[:2]
    resized = Image.fromarray(image)
    wanted = max(short or min(height, width), crop)
    if wanted != min(height, width):
        height, width = (round(Fraction(side * wanted, min(image.shape[:2]))) for side in (height, width))
        resized = resize(resized, [height, width], InterpolationMode(interpolation))
    return np.asarray(crop_at(resized, math.floor((height - crop) / 2), math.floor((width - crop) / 2), crop, crop))


@settings(deadline=None, max_examples=150)
@given(
    SIZES, SIZES, st.one_of(st.none(), st.integers(8, 60)), st.integers(1, 60),
    st.sampled_from(["bilinear", "bicubic", "lanczos"]),
)  # fmt: skip
def test_a_view_is_a_resize_of_the_short_side_and_a_centre_crop(
    height: int, width: int, short: int | None, crop: int, interpolation: str
) -> None:
    image = picture(height, width)
    expected = by_torchvision(image, short, crop, interpolation)
    assert np.array_equal(View(short, crop, interpolation).apply(image), expected)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 30))
def test_even_margins_are_torchvision_s_centre_crop(down: int, across: int, crop: int) -> None:
    image = picture(crop + 2 * down, crop + 2 * across)
    assert np.array_equal(View(None, crop).apply(image), np.asarray(CenterCrop(crop)(Image.fromarray(image))))


@settings(deadline=None, max_examples=50)
@given(SIZES, SIZES, st.one_of(st.none(), st.integers(1, 70)), st.integers(1, 70))
def test_every_view_is_whole_uint8_and_contiguous(height: int, width: int, resize: int | None, crop: int) -> None:
    viewed = View(resize, crop).apply(picture(height, width))
    assert (viewed.shape, viewed.dtype) == ((crop, crop, 3), np.uint8)
    assert viewed.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("height", "width"), [(227, 227), (224, 300), (301, 225)])
def test_a_picture_that_fits_is_taken_as_it_is(height: int, width: int) -> None:
    image = picture(height, width)
    top, left = (height - 224) // 2, (width - 224) // 2
    assert np.array_equal(View(None, 224).apply(image), image[top : top + 224, left : left + 224])


def test_a_view_leaves_the_picture_that_it_is_given() -> None:
    image = picture(40, 50)
    before = image.copy()
    View(30, 20).apply(image)[:] = 0
    View(None, 40).apply(image)[:] = 0
    assert np.array_equal(image, before)
