"""Readers of pictures to restore, against trees that the tests write and the real haze pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr

from qbench import registry
from qbench.data.pairs import NOBODY_KNOWS, Pairs, PhotosLuma, Unpaired, as_luma
from qbench.data.readers import Photos
from qbench.errors import BadSample, DataError
from qbench.runs.plan import Options, load_suite, make_plan


def pixels(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def put(file: Path, seed: int = 0, height: int = 20, width: int = 30) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, height, width)).save(file)
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for i, name in enumerate(("a.png", "sub/b.bmp", "c.png")):
        put(tmp_path / "degraded" / name, i)
    for i, name in enumerate(("a.bmp", "sub/b.png", "c.png", "alone.png"), start=10):
        put(tmp_path / "clean" / name, i)
    (tmp_path / "degraded" / "notes.txt").write_text("no picture")
    return tmp_path


def test_folders_pair_by_place_and_stem(tree: Path) -> None:
    data = Pairs(tree)
    assert data.manifest().ids == ("a.png", "c.png", "sub/b.bmp")
    for index, (degraded, clean) in enumerate(((0, 10), (2, 12), (1, 11))):
        sample = data.load(index)
        assert np.array_equal(sample.image, pixels(degraded))
        assert np.array_equal(sample.target, pixels(clean))


def test_both_files_are_in_the_digest(tree: Path) -> None:
    before = Pairs(tree).manifest().digests
    put(tree / "clean" / "a.bmp", 99)
    after = Pairs(tree).manifest().digests
    assert [b == a for b, a in zip(before, after, strict=True)] == [False, True, True]
    put(tree / "degraded" / "c.png", 98)
    assert [b == a for b, a in zip(after, Pairs(tree).manifest().digests, strict=True)] == [True, False, True]


def test_a_picture_without_a_partner_is_one_bad_sample(tree: Path) -> None:
    (tree / "clean" / "c.png").unlink()
    data = Pairs(tree)
    assert len(data.manifest().ids) == 3
    with pytest.raises(BadSample, match=r"c\.png has no clean picture"):
        data.load(1)
    assert data.load(0).target is not None


def test_sizes_that_differ_and_broken_files_are_bad_samples(tree: Path) -> None:
    put(tree / "clean" / "c.png", 3, height=20, width=31)
    (tree / "clean" / "a.bmp").write_bytes(b"BM broken")
    (tree / "degraded" / "sub" / "b.bmp").write_bytes(b"")
    data = Pairs(tree)
    for index, text in enumerate((r"a\.bmp cannot be read", r"c\.png is 30x20, its clean picture .* 31x20", r"b\.bmp")):
        with pytest.raises(BadSample, match=text):
            data.load(index)


def test_folders_that_cannot_pair_say_why(tree: Path) -> None:
    with pytest.raises(DataError, match=r"no folder 'cleam' \(did you mean 'clean'\?\)"):
        Pairs(tree, clean="cleam").manifest()
    with pytest.raises(DataError, match="is not a folder"):
        Pairs(tree / "nowhere").manifest()
    put(tree / "other" / "x.png")
    with pytest.raises(DataError, match=r"no picture in .* has a clean one"):
        Pairs(tree, images="other").manifest()
    put(tree / "clean" / "a.png")
    with pytest.raises(DataError, match="two clean pictures"):
        Pairs(tree).manifest()
    (tree / "empty").mkdir()
    with pytest.raises(DataError, match="holds no samples"):
        Pairs(tree, images="empty").manifest()


def test_a_table_pairs_by_its_columns(tree: Path) -> None:
    lines = ["\ufeffhazy,gt,level", *(f"degraded/{name},clean/a.bmp,1" for name in ("a.png", "c.png", "a.txt"))]
    (tree / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    data = Pairs(tree, "hazy", "gt", table="list.csv", name="mine")
    assert data.label == "mine"
    assert data.manifest().ids == ("degraded/a.png", "degraded/c.png", "degraded/a.txt")
    assert np.array_equal(data.load(1).target, pixels(10))
    with pytest.raises(BadSample, match=r"a\.txt cannot be read"):
        data.load(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hazy,clear\na,b\n", "no column 'gt'"),
        ("hazy,gt\na.png\n", r"list\.csv:2:1: nothing in column 'gt': 1 cells in a row of 2"),
        ("hazy,gt\na.png,b.png\n ,b.png\n", r"list\.csv:3:1: no path in column 'hazy'"),
        ("hazy,gt\n", "holds no samples"),
        ("hazy,gt\na.png,b.png\na.png,c.png\n", "'a.png' twice"),
    ],
)
def test_tables_that_are_wrong_say_where(tree: Path, text: str, message: str) -> None:
    (tree / "list.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        Pairs(tree, "hazy", "gt", table="list.csv").manifest()


def test_a_table_that_is_not_there_or_no_text_says_so(tree: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Pairs(tree, table="none.csv").manifest()
    (tree / "list.csv").write_bytes(b"hazy,gt\n\xff\xfe,b\n")
    with pytest.raises(DataError, match="UTF-8"):
        Pairs(tree, "hazy", "gt", table="list.csv").manifest()


def test_tables_call_them_by_their_folder(tree: Path) -> None:
    """They are degraded already, although their condition is `clean`; what is done to them further is added."""
    (tree / "suite.yaml").write_text(
        "suite: found\nversion: 1\nchangelog: {1: first}\ntasks:\n"
        f"  - task: restoration\n    dataset: {{name: pairs, root: {tree}}}\n    models: [identity]\n"
        "    conditions: [clean, {jpeg: {quality: 10}}]\n"
    )
    suite, document = load_suite(tree / "suite.yaml")
    cells = make_plan(suite, document, Options(device="cpu")).cells
    assert [(cell.condition.label, cell.condition.family, cell.condition.axis) for cell in cells] == [
        ("degraded", "pairs", None), ("degraded → jpeg@10", "pairs → jpeg", ("quality", 10))
    ]  # fmt: skip
    assert Unpaired(tree / "degraded").degraded == ("degraded", "unpaired", None)


def test_the_real_haze_pairs(shared: Path) -> None:
    data = Pairs(shared / "data" / "haze", "hazy", "gt", table="pairs.csv")
    assert len(data.manifest().ids) == 6
    for index in range(6):
        sample = data.load(index)
        assert sample.image.shape == sample.target.shape
        assert sample.image.mean() > sample.target.mean(), "haze is light"


def test_unpaired_pictures_know_no_clean_one(tree: Path) -> None:
    data = Unpaired(tree / "degraded")
    sample = data.load(0)
    assert sample.target is NOBODY_KNOWS
    assert sample.target.size == 0
    assert np.array_equal(sample.image, pixels(0))
    assert data.manifest().ids == Photos(tree / "degraded").manifest().ids
    assert data.manifest().digests != Photos(tree / "degraded").manifest().digests


def test_luma_is_that_of_scikit_image_and_grey_stays(tmp_path: Path) -> None:
    colour = pixels(5, 64, 64)
    luma = as_luma(colour)
    assert luma.dtype == np.uint8
    assert (luma == luma[..., :1]).all()
    assert np.array_equal(luma[..., 0], np.round(rgb2ycbcr(colour)[..., 0]).astype(np.uint8))
    grey = np.repeat(colour[..., :1], 3, axis=2)
    assert np.array_equal(as_luma(grey), grey)
    Image.fromarray(colour).save(tmp_path / "a.png")
    assert np.array_equal(PhotosLuma(tmp_path).load(0).image, luma)
    assert PhotosLuma(tmp_path).manifest().digests != Photos(tmp_path).manifest().digests


def test_readers_are_found_by_name() -> None:
    assert {"pairs", "unpaired", "photos-y"} <= set(registry.names("dataset"))
