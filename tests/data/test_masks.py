"""Readers of masks against trees that the tests write, with broken files among them, and against the real CamVid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from qbench.data.mask_layouts import CITYSCAPES, VOC, Ade20k, Cityscapes, VocSegmentation
from qbench.data.mask_values import decode_mask
from qbench.data.masks import Masks
from qbench.documents.construct import expanded
from qbench.errors import BadSample, DataError
from qbench.registry import get

HEIGHT, WIDTH = 6, 9


def picture(file: Path, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file)
    return file


def mask(file: Path, values: Any, mode: str = "L") -> np.ndarray:
    """Writes a mask of HEIGHT x WIDTH that repeats `values`; gives what a reader must find in the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    array = np.resize(np.asarray(values), (HEIGHT, WIDTH))
    if mode == "P":
        image = Image.fromarray(array.astype(np.uint8), mode="L").convert("P")
        image.putpalette(np.random.default_rng(0).permutation(768).astype(np.uint8).tobytes())
        image.putdata(array.ravel().tolist())
        image.save(file)
    else:
        Image.fromarray(array.astype({"L": np.uint8, "I;16": np.uint16, "1": bool}[mode])).save(file)
    return array


def small(root: Path, **options: Any) -> Masks:
    """Two samples `a` and `deep/b`."""
    for number, stem in enumerate(("a", "deep/b")):
        picture(root / "images" / f"{stem}.png", seed=number)
    mask(root / "masks" / "a.png", [0, 1, 2, 255])
    mask(root / "masks" / "deep" / "b.png", [1, 1, 3])
    return Masks(root, **options)


def test_folders_are_paired_by_stem(tmp_path: Path) -> None:
    data = small(tmp_path)
    picture(tmp_path / "images" / "c.jpg")
    expected = mask(tmp_path / "masks" / "c.bmp", [4, 0])
    mask(tmp_path / "masks" / "without-a-picture.png", [0])
    (tmp_path / "masks" / "notes.txt").write_text("no mask")
    assert data.manifest().ids == ("a.png", "c.jpg", "deep/b.png")
    sample = data.load(1)
    assert (sample.id, sample.image.shape, sample.target.dtype) == ("c.jpg", (HEIGHT, WIDTH, 3), np.uint8)
    assert np.array_equal(sample.target, expected)
    assert np.array_equal(data.load(0).target, np.resize([0, 1, 2, 255], (HEIGHT, WIDTH)))
    assert (data.label, Masks(tmp_path, name="mine").label, data.classes) == (tmp_path.name, "mine", ())


def test_masks_may_lie_beside_their_pictures_under_a_suffix(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    mask(tmp_path / "a_mask.png", [0, 1])
    data = Masks(tmp_path, images=".", masks=".", mask_suffix="_mask")
    assert data.manifest().ids == ("a.png",)
    assert data.load(0).target[0, 1] == 1


def test_digests_follow_both_files_and_what_the_values_stand_for(tmp_path: Path) -> None:
    before = small(tmp_path).manifest().digests
    assert small(tmp_path).manifest().digests == before
    mask(tmp_path / "masks" / "a.png", [0, 1, 1, 255])
    changed = Masks(tmp_path).manifest().digests
    assert (changed[0] == before[0], changed[1] == before[1]) == (False, True)
    picture(tmp_path / "images" / "deep" / "b.png", seed=7)
    assert Masks(tmp_path).manifest().digests[1] != before[1]
    for options in ({"ignore": 3}, {"first": 1}):
        assert not set(Masks(tmp_path, **options).manifest().digests) & set(Masks(tmp_path).manifest().digests)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2, 3, 254, 255]),
        ({"ignore": 2}, [0, 1, 255, 3, 254, 255]),
        ({"ignore": (0, 254)}, [255, 1, 2, 3, 255, 255]),
        ({"first": 1}, [255, 0, 1, 2, 253, 255]),
        ({"first": 2, "ignore": [3]}, [255, 255, 0, 255, 252, 255]),
    ],
)
def test_values_become_classes(tmp_path: Path, options: dict[str, Any], expected: list[int]) -> None:
    picture(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", [0, 1, 2, 3, 254, 255])
    assert Masks(tmp_path, **options).load(0).target.ravel()[:6].tolist() == expected


def test_255_is_a_class_where_values_list_it(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", [0, 255, 7])
    data = Masks(tmp_path, values=(0, 255), ignore=7)
    assert len(data.manifest().ids) == 1
    assert data.load(0).target.ravel()[:3].tolist() == [0, 1, 255]
    with pytest.raises(BadSample, match="it holds 7, which is neither a class nor ignored"):
        Masks(tmp_path, values=(0, 255)).load(0)
    mask(tmp_path / "masks" / "a.png", [0, 255])
    with pytest.raises(DataError, match=r"hold 0 and 255 alone, and 255 is ignored.*`values: \[0, 255\]`"):
        Masks(tmp_path).manifest()
    (tmp_path / "c.txt").write_text("background\nroad\n")
    named = Masks(tmp_path, values=(0, 255), classes_file="c.txt")
    assert (named.classes, named.load(0).target.max()) == (("background", "road"), 1)
    with pytest.raises(DataError, match=r"`values` lists stored values of 3 classes, but c\.txt names 2"):
        Masks(tmp_path, values=(0, 1, 255), classes_file="c.txt").manifest()
    for options in ({"values": (0, 0)}, {"values": (1, 2), "first": 1}):
        with pytest.raises(ValidationError, match="lists the stored value of each class once"):
            Masks(tmp_path, **options)


def test_the_search_for_a_second_class_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small(tmp_path)
    looked: list[str] = []

    def counted(file: Path, *options: str) -> np.ndarray:
        looked.append(file.name)
        return decode_mask(file, *options)

    monkeypatch.setattr("qbench.data.masks.decode_mask", counted)
    data.manifest()
    assert looked == ["a.png"]


def test_several_ignored_values_are_one_dataset_of_a_suite() -> None:
    from qbench.registry.named import Named

    named = Named(name="masks", params={"root": "x", "ignore": [1, 2], "first": [0, 1]})
    assert [dataset.params["first"] for dataset in expanded(get("dataset", "masks"), named)] == [0, 1]


@pytest.mark.parametrize(
    ("name", "text", "classes", "known"),
    [
        ("c.txt", "sky\n\n road \n", ("sky", "road"), {0: 0, 1: 1, 255: 255}),
        ("c.json", '["sky", "road"]', ("sky", "road"), {0: 0, 1: 1, 255: 255}),
        ("c.json", '{"classes": ["sky", "road", "void"], "ignore_index": 2}', ("sky", "road"), {0: 0, 1: 1, 2: 255}),
        ("c.json", '{"classes": ["void", "sky"], "ignore_index": [0, 9]}', ("void", "sky"), {0: 255, 1: 1, 9: 255}),
    ],
)
def test_a_file_of_classes_names_them_and_makes_other_values_strange(
    tmp_path: Path, name: str, text: str, classes: tuple[str, ...], known: dict[int, int]
) -> None:
    picture(tmp_path / "images" / "a.png")
    (tmp_path / name).write_text(text)
    data = Masks(tmp_path, classes_file=name)
    assert data.classes == classes
    mask(tmp_path / "masks" / "a.png", list(known))
    assert data.load(0).target.ravel()[: len(known)].tolist() == list(known.values())
    mask(tmp_path / "masks" / "a.png", [0, 3])
    with pytest.raises(BadSample, match=r"a\.png cannot be read as a mask: it holds 3, which is neither a class nor"):
        data.load(0)


def test_broken_samples_are_told_one_by_one(tmp_path: Path) -> None:
    data = small(tmp_path)
    for name in ("no-mask", "cut-mask", "cut-picture", "colours", "wide", "large", "text"):
        picture(tmp_path / "images" / f"{name}.png", seed=3)
        mask(tmp_path / "masks" / f"{name}.png", [0, 1])
    (tmp_path / "masks" / "no-mask.png").unlink()
    for file in (tmp_path / "masks" / "cut-mask.png", tmp_path / "images" / "cut-picture.png"):
        file.write_bytes(file.read_bytes()[:40])
    picture(tmp_path / "masks" / "colours.png")
    picture(tmp_path / "images" / "wide.png", HEIGHT, WIDTH + 1)
    mask(tmp_path / "masks" / "large.png", [0, 300], "I;16")
    (tmp_path / "masks" / "text.png").write_text("no picture")
    ids = data.manifest().ids
    messages = {
        "no-mask": "No such file", "cut-mask": r"^cut-mask\.png cannot be read as a mask",
        "cut-picture": r"^cut-picture\.png cannot be read as an image",
        "colours": "its pixels are RGB; a mask has one channel", "wide": r"^wide\.png is 9x6, its picture 10x6",
        "large": "it holds 300; class indices go up to 254", "text": "it is in none of the formats JPEG, PNG",
    }  # fmt: skip
    assert len(ids) == 2 + len(messages)
    for name, message in messages.items():
        with pytest.raises(BadSample, match=message):
            data.load(ids.index(f"{name}.png"))
    assert data.load(ids.index("deep/b.png")).target.max() == 3


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "1"])
def test_masks_of_every_kind_of_one_channel_give_their_values(tmp_path: Path, mode: str) -> None:
    expected = mask(tmp_path / "m.png", [0, 1] if mode == "1" else [0, 1, 20, 255], mode)
    decoded = decode_mask(tmp_path / "m.png")
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, expected)


def test_faulty_folders_are_one_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        Masks(tmp_path / "nowhere").manifest()
    (tmp_path / "image").mkdir(), (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match=r"holds no folder 'images' \(did you mean 'image'\?\)"):
        Masks(tmp_path).manifest()
    with pytest.raises(DataError, match="holds no samples"):
        Masks(tmp_path, images="image").manifest()
    picture(tmp_path / "image" / "a.png")
    with pytest.raises(DataError, match=r"no picture in .* has a mask in .*masks/a\.png and so on"):
        Masks(tmp_path, images="image").manifest()
    mask(tmp_path / "masks" / "a.png", [0]), mask(tmp_path / "masks" / "a.bmp", [0])
    with pytest.raises(DataError, match="has two masks"):
        Masks(tmp_path, images="image").manifest()
    with pytest.raises(ValidationError):
        Masks(tmp_path, ignore=256)
    with pytest.raises(ValidationError):
        Masks(tmp_path, masc="x")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.json", '{"classes": ["a"', r"c\.json:1:17: not JSON"),
        ("c.json", '{"class": ["a"]}', "holds no list of class names"),
        ("c.json", "[]", "holds no list of class names"),
        ("c.json", '["a", 3]', "holds no list of class names"),
        ("c.json", '{"classes": ["a"], "ignore_index": -1}', "must be a value from 0 to 255"),
        ("d.json", "[]", r"c\.json cannot be read"),
    ],
)
def test_a_faulty_file_of_classes_is_one_error(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        _ = Masks(tmp_path, classes_file="c.json").classes


def test_a_list_of_pairs_keeps_its_order(tmp_path: Path) -> None:
    picture(tmp_path / "p" / "1.png"), picture(tmp_path / "p" / "b 2.png")
    mask(tmp_path / "m" / "x.png", [5]), mask(tmp_path / "m" / "y.png", [6])
    (tmp_path / "t.txt").write_text("\ufeffp/b 2.png\tm/x.png\n\n# no pair\np/1.png m/y.png\n", encoding="utf-8")
    data = Masks(tmp_path, pairs="t.txt")
    assert data.manifest().ids == ("p/b 2.png", "p/1.png")
    assert [int(data.load(i).target[0, 0]) for i in range(2)] == [5, 6]
    (tmp_path / "t.txt").write_text("#1.png m/x.png\n#\n")
    assert Masks(tmp_path, pairs="t.txt").manifest().ids == ("#1.png",), "a name may start with the sign"
    (tmp_path / "t.txt").write_text("p/1.png m/y.png\np/1.png\n")
    with pytest.raises(DataError, match=r"t\.txt:2:1: expected a picture and its mask, found 1 words"):
        Masks(tmp_path, pairs="t.txt").manifest()
    (tmp_path / "t.txt").write_text("p/1.png m/y.png\np/1.png m/y.png\n")
    with pytest.raises(DataError, match=r"names sample 'p/1\.png' twice"):
        Masks(tmp_path, pairs="t.txt").manifest()
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        Masks(tmp_path, pairs="none.txt").manifest()


def camvid(shared: Path, split: str) -> Masks:
    return Masks(shared / "data" / "camvid", pairs=f"{split}.txt", classes_file="classes.json")


def test_camvid_has_its_frames_and_classes(shared: Path) -> None:
    counts = {split: len(camvid(shared, split).manifest().ids) for split in ("train", "val", "test")}
    assert counts == {"train": 92, "val": 26, "test": 32}
    facts = json.loads((shared / "data" / "camvid" / "classes.json").read_text())
    data = camvid(shared, "val")
    assert (data.label, len(data.classes)) == ("camvid", facts["num_classes"])
    assert data.classes == tuple(facts["classes"][:11])
    sample = data.load(0)
    assert sample.image.shape == (360, 480, 3)
    stored = np.asarray(Image.open(shared / "data" / "camvid" / "labels" / "val" / f"{Path(sample.id).stem}.png"))
    assert np.array_equal(sample.target == 255, stored == facts["ignore_index"])
    assert np.array_equal(sample.target[stored != 11], stored[stored != 11])
    assert int(sample.target[sample.target != 255].max()) <= 10


def test_cityscapes_turns_label_ids_into_train_ids(tmp_path: Path) -> None:
    for number, city in enumerate(("ulm", "aachen")):
        stem = f"{city}_00000{number}_000019"
        picture(tmp_path / "leftImg8bit" / "val" / city / f"{stem}_leftImg8bit.png", seed=number)
        stored = mask(tmp_path / "gtFine" / "val" / city / f"{stem}_gtFine_labelIds.png", range(34))
        mask(tmp_path / "gtFine" / "val" / city / f"{stem}_gtFine_instanceIds.png", range(34))
    data = Cityscapes(tmp_path)
    assert data.manifest().ids == ("aachen/aachen_000001_000019", "ulm/ulm_000000_000019")
    assert data.classes[:3] + data.classes[-1:] == ("road", "sidewalk", "building", "bicycle")
    train_ids = data.load(1).target
    for value in range(34):
        expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
        expected |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
        assert set(train_ids[stored == value].tolist()) == {expected.get(value, 255)}
    assert len(CITYSCAPES) == 19
    mask(tmp_path / "gtFine" / "val" / "ulm" / "ulm_000000_000019_gtFine_labelIds.png", [34])
    with pytest.raises(BadSample, match="it holds 34"):
        data.load(1)
    with pytest.raises(DataError, match=r"no split 'vall' \(did you mean 'val'\?\)"):
        Cityscapes(tmp_path, split="vall").manifest()
    for file in (tmp_path / "gtFine").rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match="nor is any other mask"):
        Cityscapes(tmp_path).manifest()


def test_ade20k_counts_classes_from_one(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / "images" / "validation" / f"ADE_val_0000000{number}.jpg")
    mask(tmp_path / "annotations" / "validation" / "ADE_val_00000001.png", [0, 1, 150])
    mask(tmp_path / "annotations" / "validation" / "ADE_val_00000002.png", [151])
    data = Ade20k(tmp_path)
    assert data.manifest().ids == ("ADE_val_00000001.jpg", "ADE_val_00000002.jpg")
    assert data.load(0).target.ravel()[:3].tolist() == [255, 0, 149]
    with pytest.raises(BadSample, match="it holds 151"):
        data.load(1)
    assert (len(data.classes), data.classes[149]) == (150, "class 150")
    lines = ["Idx\tRatio\tTrain\tVal\tName", *(f"{k}\t0.1\t9\t9\tname {k}, other name" for k in range(1, 151))]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(lines))
    assert Ade20k(tmp_path).classes[:2] == ("name 1", "name 2")
    (tmp_path / "objectInfo150.txt").write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match="names 149 classes"):
        _ = Ade20k(tmp_path).classes
    with pytest.raises(DataError, match="no split 'training'"):
        Ade20k(tmp_path, split="training").manifest()


def test_voc_reads_palettes_and_its_lists(tmp_path: Path) -> None:
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000033\n2007_000042\n2007_000061\n")
    for stem in ("2007_000033", "2007_000042", "2007_000061", "2007_000099"):
        picture(tmp_path / "JPEGImages" / f"{stem}.jpg")
        stored = mask(tmp_path / "SegmentationClass" / f"{stem}.png", [0, 15, 20, 255], "P")
    data = VocSegmentation(tmp_path)
    assert data.manifest().ids == ("2007_000033", "2007_000042", "2007_000061")
    assert np.array_equal(data.load(0).target, stored)
    assert (len(data.classes), data.classes[15], data.classes[20]) == (21, "person", "tvmonitor")
    assert data.classes == VOC
    mask(tmp_path / "SegmentationClass" / "2007_000042.png", [21], "P")
    (tmp_path / "SegmentationClass" / "2007_000061.png").unlink()
    for index, message in ((1, "it holds 21"), (2, "No such file")):
        with pytest.raises(BadSample, match=message):
            data.load(index)
    with pytest.raises(DataError, match=r"no split 'vali' \(did you mean 'val'\?\)"):
        VocSegmentation(tmp_path, split="vali").manifest()


def test_the_registry_knows_them() -> None:
    names = {"masks": Masks, "cityscapes": Cityscapes, "ade20k": Ade20k, "voc-segmentation": VocSegmentation}
    assert all(get("dataset", name).target is kind for name, kind in names.items())


def test_groups_are_what_the_expression_finds_in_ids(tmp_path: Path) -> None:
    plain, grouped = small(tmp_path), small(tmp_path, group="^([^/]+)/")
    assert [grouped.load(index).group for index in range(2)] == [None, "deep"]
    assert [plain.load(index).group for index in range(2)] == [None, None]
    one, other = plain.manifest().digests, grouped.manifest().digests
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, False], "records tell groups"
    with pytest.raises(ValidationError, match="in brackets"):
        Masks(tmp_path, group="deep")


@pytest.mark.parametrize(
    "slow", ["((a+)+)b", "(a|aa)*b", "(a?){30}b", "(" + "a?" * 25 + ")" + "a" * 25, f"({'a' * 200})"]
)
def test_an_expression_that_may_search_for_hours_is_refused(tmp_path: Path, slow: str) -> None:
    with pytest.raises(ValidationError, match="it may search for very long"):
        Masks(tmp_path, group=slow)


@pytest.mark.parametrize("quick", ["([^/_]+)_[^/]*$", r"^(?:seq|clip)-(\d{4})_.*\.png$", r"([)*]+)_"])
def test_expressions_of_single_characters_are_taken(tmp_path: Path, quick: str) -> None:
    Masks(tmp_path, group=quick)


def test_a_group_is_not_searched_in_very_long_ids(tmp_path: Path) -> None:
    reader = small(tmp_path, group="^([^/]+)/")
    with pytest.raises(DataError, match="255 characters at most"):
        reader._group_of("a" * 256)
