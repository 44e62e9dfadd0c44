"""Views against torchvision's transforms on PIL pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from qbench.data.views import View

SIZES = st.integers(5, 90)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(deadline=None, max_examples=150)
@given(SIZES, SIZES, st.integers(8, 60), st.integers(1, 60), st.sampled_from(["bilinear", "bicubic", "lanczos"]))
def test_a_view_is_torchvision_s_resize_and_centre_crop(
    height: int, width: int, resize: int, crop: int, interpolation: str
) -> None:
    crop = min(crop, resize)
    image = picture(height, width)
    theirs = Compose([Resize(resize, InterpolationMode(interpolation)), CenterCrop(crop)])
    expected = np.asarray(theirs(Image.fromarray(image)))
    assert np.array_equal(View(resize, crop, interpolation).apply(image), expected)


@settings(deadline=None, max_examples=50)
@given(SIZES, SIZES, st.integers(1, 60))
def test_without_resizing_a_large_picture_is_cropped_and_a_small_one_enlarged(
    height: int, width: int, crop: int
) -> None:
    image = picture(height, width)
    found = View(None, crop).apply(image)
    enlarge = [] if min(height, width) >= crop else [Resize(crop, InterpolationMode.BICUBIC)]
    steps = [*enlarge, CenterCrop(crop)]
    assert np.array_equal(found, np.asarray(Compose(steps)(Image.fromarray(image))))


@settings(deadline=None, max_examples=50)
@given(SIZES, SIZES, st.one_of(st.none(), st.integers(1, 70)), st.integers(1, 70))
def test_every_view_is_whole_uint8_and_contiguous(height: int, width: int, resize: int | None, crop: int) -> None:
    found = View(resize, crop).apply(picture(height, width))
    assert (found.shape, found.dtype) == ((crop, crop, 3), np.uint8)
    assert found.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("height", "width"), [(227, 227), (224, 300), (301, 225)])
def test_a_picture_that_fits_is_taken_as_it_is(height: int, width: int) -> None:
    image = picture(height, width)
    top, left = round((height - 224) / 2), round((width - 224) / 2)
    assert np.array_equal(View(None, 224).apply(image), image[top : top + 224, left : left + 224])


def test_a_view_leaves_the_picture_that_it_is_given() -> None:
    image = picture(40, 50)
    before = image.copy()
    View(30, 20).apply(image)[:] = 0
    View(None, 40).apply(image)[:] = 0
    assert np.array_equal(image, before)
