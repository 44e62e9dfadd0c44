from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qbench.data.patches import Patches
from qbench.errors import BadSample, DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures whose pixels tell where they come from: number, row, column."""
    for number in range(3):
        rows, columns = np.mgrid[: 40 + number, : 50 + number]
        picture = np.stack([np.full_like(rows, number), rows, columns], axis=-1).astype(np.uint8)
        (tmp_path / "deep").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / ("deep" if number else "") / f"{number}.png")
    return tmp_path


def test_patches_are_squares_of_the_pictures_from_all_over(photos: Path) -> None:
    patches = np.stack([Patches(photos, size=16, count=300).load(i).image for i in range(300)])
    assert patches.shape == (300, 16, 16, 3)
    corners = patches[:, 0, 0].astype(int)
    rows, columns = np.mgrid[:16, :16]
    assert (patches[..., 1] - corners[:, None, None, 1] == rows).all()
    assert (patches[..., 2] - corners[:, None, None, 2] == columns).all()
    assert set(corners[:, 0]) == {0, 1, 2}
    assert (corners[:, 1].min(), corners[:, 2].min()) == (0, 0)
    assert (corners[:, 1].max(), corners[:, 2].max()) == (26, 36)  # 42 - 16 and 52 - 16: the last place is reached


def test_a_small_set_is_the_start_of_a_large_one(photos: Path) -> None:
    small, large, other = (Patches(photos, size=8, count=n, seed=s) for n, s in ((20, 0), (200, 0), (20, 1)))
    assert large.manifest().ids[:20] == small.manifest().ids
    assert large.manifest().digests[:20] == small.manifest().digests
    for index in range(20):
        assert np.array_equal(small.load(index).image, large.load(index).image)
        assert small.load(index).id == small.manifest().ids[index]
    assert small.manifest() != other.manifest()


def test_faults(photos: Path, tmp_path: Path) -> None:
    large = Patches(photos, size=41, count=20)
    first = next(index for index, name in enumerate(large.manifest().ids) if name.endswith("0.png"))
    with pytest.raises(BadSample, match="less than a patch of 41"):
        large.load(first)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        Patches(tmp_path / "empty").manifest()
    with pytest.raises(DataError, match="not a folder"):
        Patches(tmp_path / "none").manifest()
