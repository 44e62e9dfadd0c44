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

from qbench.data import views
from qbench.data.views import View
from qbench.errors import BadSample

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


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(200, 2000), st.booleans(), st.integers(4, 40), st.integers(3, 40))
def test_the_middle_of_a_long_picture_is_that_of_the_whole_scaled_picture(
    interpolation: str, short: int, long: int, tall: bool, resize: int, crop: int
) -> None:
    image = picture(long, short) if tall else picture(short, long)
    view = View(resize, crop, interpolation)
    place = view.place(*image.shape[:2])
    whole = place.cut(
        np.asarray(Image.fromarray(image).resize((place.width, place.height), views._FILTERS[interpolation]))
    )
    part, _ = views._part(image, place, views._FILTERS[interpolation])
    apart = np.abs(whole.astype(int) - part)
    assert apart.max() <= 2
    assert apart.sum() <= 4 * crop + 0.05 * apart.size  # lines that are alike round alike


def test_a_long_picture_costs_what_its_view_holds() -> None:
    """Scaled as a whole, it would be 256 x 1,280,000,000 pixels."""
    image = np.full((1, 5_000_000, 3), 9, np.uint8)
    image[:, 2_500_000:] = 200
    viewed = View(256, 224).apply(image)
    assert viewed.shape == (224, 224, 3)
    assert viewed[:, 0].mean() < 60 < 150 < viewed[:, -1].mean()
    assert View(256, 224).apply(image.transpose(1, 0, 2)).shape == (224, 224, 3)
    mask = View(256, 224).mask(image[..., 0])
    assert set(np.unique(mask).tolist()) == {9, 200}
    with pytest.raises(BadSample, match=r"its view would have 1280000000x256 pixels, more than 67,108,864; give it"):
        View(256, None).apply(image)


def test_the_bound_of_pixels_moves_no_view_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(90, 200)
    whole = View(64, 48).apply(image)
    monkeypatch.setattr(views, "MOST", 64 * 142)
    assert np.array_equal(View(64, 48).apply(image), whole)
    monkeypatch.setattr(views, "_part", None)
    assert np.array_equal(View(64, 48).apply(image), whole), "below the bound the whole picture is scaled"
