"""Ice that is drawn."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from qbench.degrade.corruptions import ice, textures


def test_textures_of_drawn_ice_are_the_same_in_every_process() -> None:
    code = "import hashlib; from qbench.degrade.corruptions import ice;"
    code += "print(hashlib.blake2b(b''.join(ice.texture(i).tobytes() for i in (0, 5))).hexdigest())"
    here = hashlib.blake2b(b"".join(ice.texture(index).tobytes() for index in (0, 5))).hexdigest()
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == here


def test_drawn_ice_has_the_tones_of_its_recipes_and_fine_crystals() -> None:
    for index, recipe in enumerate(ice.RECIPES):
        texture = ice.texture(index)
        assert texture.shape == (ice.HEIGHT, ice.WIDTH, 3)
        assert np.abs(texture.mean((0, 1)) - recipe.tone).max() < 4
        assert texture[..., 1].std() == pytest.approx(recipe.spread, rel=0.25)
        grey = texture[..., 1].astype(float)
        edges = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))
        assert edges.mean() > recipe.spread / 2, "a cloud alone has few edges"
    means = [ice.texture(index).mean() for index in range(6)]
    assert len({round(mean) for mean in means}) == 6


@pytest.mark.parametrize(("height", "width"), [(40, 52), (700, 40), (900, 1300)])
@pytest.mark.parametrize("size", ["imagenet", "cifar"])
def test_ice_is_larger_than_any_picture(height: int, width: int, size: str) -> None:
    fitted = textures.drawn(height, width, size).textures(0)  # type: ignore[arg-type]
    assert fitted.shape[0] > height
    assert fitted.shape[1] > width
    if size == "imagenet" and height == 40:
        assert fitted.shape[:2] == (int(np.ceil(512 * 1.1)), int(np.ceil(768 * 1.1)))
    if size == "cifar" and height == 40:
        assert fitted.shape[:2] == (102, 154)
