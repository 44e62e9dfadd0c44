"""Data that a reader would skip, renumber or read as something else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.corpus.case import Arguments, Case, Said, picture, run, suite

CORNERS = "xmin", "ymin", "xmax", "ymax"
TURNED = Image.Exif()
TURNED[0x0112] = 6


def checked(folder: Path, dataset: str) -> Arguments:
    """The arguments that validate a suite on `dataset`; `ROOT` in it is `folder / "d"`."""
    return ["validate", suite(folder, dataset=dataset.replace("ROOT", str(folder / "d")))]


def copied(folder: Path, dataset: str, *options: str) -> Arguments:
    """The arguments that read every sample, which `qbench degrade` does and says why it cannot."""
    source = dataset.replace("ROOT", str(folder / "d"))
    return ["degrade", source, folder / "copy", "--condition", "clean", "--workers", "1", *options]


def files(folder: Path, *names: str) -> Path:
    """Pictures below `folder / "d"`, in PNG whatever their suffix."""
    for seed, name in enumerate(names):
        picture(folder / "d" / name, (32, 24), seed, format="PNG")
    return folder / "d"


def labels(*expected: str) -> Callable[[Path, Said], None]:
    """Sees that the copy's pictures have these classes."""

    def then(folder: Path, said: Said) -> None:
        with (folder / "copy" / "labels.csv").open(newline="") as table:
            assert [row["class_index"] for row in csv.DictReader(table)] == list(expected)

    return then


def folders(folder: Path, *names: str, dataset: str = "{name: imagefolder, root: ROOT}") -> Arguments:
    """A picture each below these class folders; a name that ends in a slash is an empty folder."""
    for name in names:
        (folder / "d" / name).mkdir(parents=True)
        if not name.endswith("/"):
            picture(folder / "d" / name / "0.png", (32, 24))
    return checked(folder, dataset)


def linked(folder: Path, below: str, dataset: str) -> Arguments:
    """A folder `below` the root that leads to pictures elsewhere."""
    picture(folder / "elsewhere" / "1.png")
    (folder / "d" / below).parent.mkdir(parents=True, exist_ok=True)
    (folder / "d" / below).symlink_to(folder / "elsewhere")
    return checked(folder, dataset)


def masks(folder: Path, *values: int, images: int = 2) -> Path:
    """Pictures with masks that repeat `values`."""
    for number in range(images):
        picture(folder / "d" / "images" / f"{number}.png", (32, 24), number)
        file = folder / "d" / "masks" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.resize(np.array(values, np.uint8), (24, 32))).save(file)
    return folder / "d"


def voc(folder: Path, box: str, *, name: str = "cat", head: str = "", size: str = "", **options: object) -> Arguments:
    """One picture of 32x24 pixels with one box in Pascal VOC's files."""
    root = folder / "d"
    picture(root / "JPEGImages" / "a.jpg", (32, 24), **options)
    corners = "".join(f"<{key}>{value}</{key}>" for key, value in zip(CORNERS, box.split(), strict=True))
    text = f"{head}<annotation>{size}<object><name>{name}</name><bndbox>{corners}</bndbox></object></annotation>"
    for file, content in {"Annotations/a.xml": text, "ImageSets/Main/val.txt": "a\n"}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(content)
    return copied(folder, "voc-detection: {root: ROOT, classes: [cat]}")


def coco(folder: Path, *, image: dict[str, object] | None = None, **change: object) -> Path:
    """One picture of 32x24 pixels with one box in COCO's format, in which `change` is made."""
    picture(folder / "d" / "images" / "a.png", (32, 24))
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 8], **change}
    content = {
        "images": [{"id": 1, "file_name": "a.png", **(image or {})}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [box],
    }
    (folder / "d" / "annotations.json").write_text(json.dumps(content))
    return folder / "d"


COCO, FOLDERS = "{name: coco, root: ROOT}", "{name: imagefolder, root: ROOT}"


def left_out(folder: Path, names: Sequence[str], dataset: str, link: str = "") -> Arguments:
    """Pictures, and perhaps a link that leads nowhere, which are read."""
    root = files(folder, *names)
    if link:
        (root / link).symlink_to("nowhere")
    return checked(folder, dataset)


def annotated(folder: Path, text: str) -> Arguments:
    """One picture of 32x24 pixels whose annotation of Pascal VOC is `text`."""
    voc(folder, "1 1 9 9")
    (folder / "d" / "Annotations" / "a.xml").write_text(text)
    return copied(folder, "voc-detection: {root: ROOT, classes: [cat]}")


def boxes_twice(folder: Path) -> Arguments:
    file = coco(folder) / "annotations.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "annotations": content["annotations"] * 2}))
    return checked(folder, COCO)


def key_twice(folder: Path) -> Arguments:
    file = coco(folder) / "annotations.json"
    file.write_text(file.read_text()[:-1] + ', "annotations": []}')
    return checked(folder, COCO)


def cities(folder: Path) -> Arguments:
    files(folder, *(f"leftImg8bit/val/x/{name}" for name in ("a_leftImg8bit.png", "b_leftImg8bit.jpg", "c.png")))
    mask = folder / "d" / "gtFine" / "val" / "x" / "a_gtFine_labelIds.png"
    mask.parent.mkdir(parents=True)
    Image.fromarray(np.full((24, 32), 7, np.uint8)).save(mask)
    return checked(folder, "{name: cityscapes, root: ROOT}")


CASES = [
    Case(
        "a class folder that is a link to nowhere",
        lambda folder: left_out(folder, ("a/0.png", "c/0.png"), FOLDERS, "b"),
        "d/b is a link that leads nowhere; if it is a class, bring back what it led to, else remove it",
    ),
    Case(
        "a class folder that is a loop of links",
        lambda folder: ((files(folder, "a/0.png") / "b").symlink_to("b"), checked(folder, FOLDERS))[1],
        "d/b is a link that leads nowhere",
    ),
    Case(
        "a link to nowhere among photos",
        lambda folder: left_out(folder, ("0.png",), "{name: photos, root: ROOT}", "more"),
        "left out are links that lead nowhere: 1, such as more",
        code=0,
    ),
    Case(
        "remarks in a file of classes",
        lambda folder: (
            files(folder, "a/0.png", "b/0.png"),
            (folder / "d" / "c.txt").write_text("# in this order\nb\n\na\n"),
            copied(folder, "imagefolder: {root: ROOT, classes_file: c.txt}"),
        )[2],
        "2 of 2 pictures",
        code=0,
        then=labels("1", "0"),
    ),
    Case(
        "a split with spaces around it",
        lambda folder: (
            files(folder, "0.png", "1.png"),
            (folder / "d" / "labels.csv").write_text("file,class_index,split\n0.png,3,val\n1.png,4, val \n"),
            copied(folder, "csv: {root: ROOT, split: val}"),
        )[2],
        "2 of 2 pictures",
        code=0,
        then=labels("3", "4"),
    ),
    Case(
        "pictures of Cityscapes under other names",
        cities,
        "left out are pictures that are not SPLIT/CITY/..._leftImg8bit.png: 2, such as leftImg8bit/val/x/b_left",
        code=0,
    ),
    Case(
        "masks whose values are all ignored",
        lambda folder: (masks(folder, 1, 2), checked(folder, "{name: masks, root: ROOT, first: 3}"))[1],
        "hold 1 and 2 alone, and these are ignored; see `first` and `ignore`",
    ),
    Case(
        "a mask that is a JPEG of another name",
        lambda folder: (
            Image.fromarray(np.eye(24, 32, dtype=np.uint8)).save(masks(folder, 0, 1) / "masks" / "0.png", "JPEG"),
            copied(folder, "masks: {root: ROOT}"),
        )[1],
        "not read: 0.png: 0.png cannot be read as a mask: it is a JPEG, which changes the values of pixels",
        code=1,
    ),
    Case("a COCO list that is there twice", key_twice, "the key 'annotations' is there twice in one object; keep one"),
    Case("a COCO box that is there twice", boxes_twice, "annotations[1] has id 1, as another has"),
    Case(
        "a COCO box that floats cannot hold",
        lambda folder: (coco(folder, bbox=[10, 4, 1e-9, 3]), checked(folder, COCO))[1],
        "boxes without extent are left out: 1, such as annotations[0]",
        code=0,
    ),
    Case(
        "a COCO picture of another width",
        lambda folder: (coco(folder, image={"width": 33}), copied(folder, "coco: {root: ROOT}"))[1],
        "a.png is 32x24 pixels, but its boxes are for 33x?",
        code=1,
    ),
    Case(
        "VOC objects in a namespace",
        lambda folder: annotated(folder, "<annotation xmlns='urn:x'><object><name>cat</name></object></annotation>"),
        "a.xml cannot be read as an annotation: it holds a <{urn:x}annotation>; expected <annotation>",
        code=1,
    ),
    Case(
        "VOC objects in capitals",
        lambda folder: annotated(folder, "<annotation><Object><name>cat</name></Object></annotation>"),
        "it holds a <Object>; expected <object>",
        code=1,
    ),
    Case(
        "XML that is no annotation",
        lambda folder: annotated(folder, "<html/>"),
        "it holds a <html>; expected <annotation>",
        code=1,
    ),
    Case(
        "an annotation that is no UTF-8",
        lambda folder: (
            annotated(folder, ""),
            (folder / "d" / "Annotations" / "a.xml").write_bytes(
                b"<annotation>\n<folder>caf\xe9</folder></annotation>"
            ),
        )[0],
        "not read: a: a.xml:2:12: the annotation is not XML: not well-formed (invalid token)",
        code=1,
    ),
    Case(
        "a VOC corner with an underscore",
        lambda folder: voc(folder, "1 1 1_0 9"),
        "xmax is '1_0'; expected a number",
        code=1,
    ),
    Case(
        "a VOC class that is listed twice",
        lambda folder: checked(folder, "{name: voc-detection, root: ROOT, classes: [cat, dog, cat]}"),
        "'cat' is there twice; a class has one index",
    ),
    Case(
        "a root that is a loop of links",
        lambda folder: ((folder / "d").symlink_to("d"), copied(folder, "photos: {root: ROOT}"))[1],
        "the dataset's root {}/d is not a folder",
    ),
    Case(
        "pictures of kinds that are not read",
        lambda folder: (files(folder, "a/0.png", "a/1.heic", "a/2.tga", "a/3"), checked(folder, FOLDERS))[1],
        "note: dataset d: left out are files of kinds that are not read: 3, such as a/1.heic",
        code=0,
    ),
    Case(
        "suffixes that are read",
        lambda folder: (
            files(folder, *(f"a/{at}{end}" for at, end in enumerate((".jfif", ".jpe", ".gif", ".avif", ".pgm")))),
            copied(folder, "imagefolder: {root: ROOT}"),
        )[1],
        "5 of 5 pictures",
        code=0,
    ),
    Case(
        "pictures below a class folder",
        lambda folder: (files(folder, "a/0.png", "b/0.png", "b/deeper/6.png"), checked(folder, FOLDERS))[1],
        "left out are pictures in folders further below: 1, such as b/deeper/6.png",
        code=0,
    ),
    Case(
        "pictures beside the class folders",
        lambda folder: (files(folder, "a/0.png", "stray.png"), checked(folder, FOLDERS))[1],
        "pictures beside the class folders: 1, such as stray.png",
        code=0,
    ),
    Case(
        "a linked folder of photos",
        lambda folder: (files(folder, "0.png"), linked(folder, "there", "{name: photos, root: ROOT}"))[1],
        "left out are linked folders: 1, such as there",
        code=0,
    ),
    Case(
        "a linked folder of unpaired pictures",
        lambda folder: (files(folder, "0.png"), linked(folder, "x/y", "{name: unpaired, root: ROOT}"))[1],
        "left out are linked folders: 1, such as x/y",
        code=0,
    ),
    Case(
        "a linked folder of masks",
        lambda folder: (masks(folder, 0, 1), linked(folder, "images/more", "{name: masks, root: ROOT}"))[1],
        "left out are linked folders: 1, such as images/more",
        code=0,
    ),
    Case(
        "a linked folder of pairs",
        lambda folder: (
            files(folder, "degraded/0.png", "clean/0.png"),
            linked(folder, "clean/more", "{name: pairs, root: ROOT}"),
        )[1],
        "left out are linked folders: 1, such as clean/more",
        code=0,
    ),
    Case(
        "a folder without pictures among classes",
        lambda folder: folders(folder, "a", "cache/", "z"),
        "d/cache holds no picture of its own (it is empty), but would count as class 1; remove it, or name all classes",
    ),
    Case(
        "a class whose pictures lie deeper",
        lambda folder: (files(folder, "a/0.png", "b/x/1.png"), checked(folder, FOLDERS))[1],
        "holds no picture of its own (left out are pictures in folders further below: 1, such as b/x/1.png)",
    ),
    Case(
        "folders of archives and systems among classes",
        lambda folder: (
            folders(folder, "__MACOSX/", "@eaDir/", ".ipynb_checkpoints/", "n", "o"),
            copied(folder, "imagefolder: {root: ROOT}"),
        )[1],
        "2 of 2 pictures",
        code=0,
        then=labels("0", "1"),
    ),
    Case(
        "WordNet ids counted from 0",
        lambda folder: folders(folder, "n01440764", "n02099601", "n15075141"),
        "n02099601 is class 1 here, in sorted order, and not 207; for a model of ImageNet's 1000 classes use the",
        code=0,
    ),
    Case(
        "folders named by numbers in the order of text",
        lambda folder: folders(folder, "0", "1", "10", "2"),
        "the class folder 10 is class 2 here, in sorted order, and not 10; if names are class indices, list all",
        code=0,
    ),
    Case(
        "folders of no class of ImageNet",
        lambda folder: folders(folder, "n01440764", "n99999999", dataset="{name: imagenet, root: ROOT}"),
        "left out are folders of no class of ImageNet-1k: 1, such as n99999999",
        code=0,
    ),
    Case(
        "a class that the file of classes lacks",
        lambda folder: (
            files(folder, "cat/0.png", "dogs/0.png"),
            (folder / "d" / "classes.txt").write_text("bird\ncat\ndog\n"),
            checked(folder, "{name: imagefolder, root: ROOT, classes_file: classes.txt}"),
        )[2],
        "the folder 'dogs' is no class of {}/d/classes.txt (did you mean 'dog'?)",
    ),
    Case(
        "masks of 0 and 255",
        lambda folder: (masks(folder, 0, 255), checked(folder, "{name: masks, root: ROOT}"))[1],
        "hold 0 and 255 alone, and 255 is ignored, so that one class at most is left; if 255 is a class, list",
    ),
    Case(
        "masks of 1 and 255 beside a file of classes",
        lambda folder: (
            (masks(folder, 1, 255) / "c.txt").write_text("road\nsky\n"),
            checked(folder, "{name: masks, root: ROOT, classes_file: c.txt}"),
        )[1],
        "hold 1 and 255 alone",
    ),
    Case(
        "masks that are JPEG, and a mask without a picture",
        lambda folder: (
            masks(folder, 0, 1),
            files(folder, "masks/0.jpg", "masks/9.png"),
            checked(folder, "{name: masks, root: ROOT}"),
        )[2],
        "masks without a picture: 1, such as masks/9.png; JPEG files, which are no masks: 1, such as masks/0.jpg",
        code=0,
    ),
    Case(
        "a VOC box with swapped corners",
        lambda folder: voc(folder, "20 20 11 11"),
        "not read: a: a.xml cannot be read as boxes: a box of 'cat' has swapped corners: xmin 20 ymin 20 xmax 11",
        code=1,
    ),
    Case(
        "a VOC box outside of its picture",
        lambda folder: voc(folder, "40 1 50 9"),
        "a box (39, 0, 50, 9) of a.jpg lies outside of its 32x24 pixels",
        code=1,
    ),
    Case(
        "a VOC class that nobody listed",
        lambda folder: voc(folder, "1 1 9 9", name="cats"),
        "holds an object of class 'cats' (did you mean 'cat'?); list all in `classes`",
        code=1,
    ),
    Case(
        "a VOC corner that is no number",
        lambda folder: voc(folder, "1 1 nan 9"),
        "xmax is 'nan'; expected a number of pixels, up to 10,000,000",
        code=1,
    ),
    Case(
        "a COCO box without extent",
        lambda folder: (coco(folder, bbox=[4, 4, 0, 3]), checked(folder, COCO))[1],
        "note: dataset d: boxes without extent are left out: 1, such as annotations[0]",
        code=0,
    ),
    Case(
        "a COCO box of negative extent",
        lambda folder: (coco(folder, bbox=[9, 9, -4, 3]), checked(folder, COCO))[1],
        "annotations[0] has a bbox of -4 x 3 pixels; a bbox is [x, y, width, height]",
    ),
    Case(
        "a COCO box that is no number",
        lambda folder: (coco(folder, bbox=[1, 2, float("nan"), 3]), checked(folder, COCO))[1],
        "annotations[0] needs a bbox of four numbers, not [1, 2, nan, 3]",
    ),
    Case(
        "a COCO box that is too far away",
        lambda folder: (coco(folder, bbox=[1, 2, 1e300, 3]), checked(folder, COCO))[1],
        "numbers of a bbox go up to 10,000,000 pixels",
    ),
    Case(
        "a COCO box outside of its picture",
        lambda folder: (coco(folder, bbox=[1, 30, 4, 4]), copied(folder, "coco: {root: ROOT}"))[1],
        "not read: a.png: a box (1, 30, 5, 34) of a.png lies outside of its 32x24 pixels",
        code=1,
    ),
    Case(
        "a COCO category that is not there",
        lambda folder: (coco(folder, category_id=7), checked(folder, COCO))[1],
        "annotations[0] is of category 7, which the file lacks",
    ),
    Case(
        "a clean picture that EXIF turns",
        lambda folder: (
            picture(folder / "d" / "degraded" / "a.jpg", (24, 32)),
            picture(folder / "d" / "clean" / "a.jpg", (32, 24), exif=TURNED),
            copied(folder, "pairs: {root: ROOT}"),
        )[2],
        "a.jpg is 24x32, its clean picture a.jpg 32x24; a.jpg has EXIF orientation 6 and is not turned by it; `ori",
        code=1,
    ),
    Case(
        "a picture with a mask that EXIF turns",
        lambda folder: (
            masks(folder, 0, 1),
            picture(folder / "d" / "images" / "0.png", (24, 32), exif=TURNED),
            copied(folder, "masks: {root: ROOT}"),
        )[2],
        "0.png is 32x24, its picture 24x32; 0.png has EXIF orientation 6",
        code=1,
    ),
    Case(
        "boxes of a picture that EXIF turns",
        lambda folder: voc(folder, "1 1 9 9", size="<size><width>24</width><height>32</height></size>", exif=TURNED),
        "a.jpg is 32x24 pixels, but its boxes are for 24x32; a.jpg has EXIF orientation 6",
        code=1,
    ),
    Case(
        "a picture that EXIF turns is turned where asked for",
        lambda folder: (
            voc(folder, "1 1 9 30", size="<size><width>24</width><height>32</height></size>", exif=TURNED),
            copied(folder, "voc-detection: {root: ROOT, classes: [cat], orientation: exif}"),
        )[1],
        "1 of 1 pictures",
        code=0,
    ),
    Case(
        "a label that the model does not know",
        lambda folder: (
            files(folder, "0.png"),
            (folder / "d" / "labels.csv").write_text("file,class_index\n0.png,30\n"),
            run(folder, dataset=f"{{name: csv, root: {folder / 'd'}}}"),
        )[2],
        "the dataset has label 30, but the model tells only 24 classes apart",
        code=1,
    ),
    Case(
        "a label below 0",
        lambda folder: (
            files(folder, "0.png"),
            (folder / "d" / "labels.csv").write_text("file,class_index\n0.png,-1\n"),
            checked(folder, "{name: csv, root: ROOT}"),
        )[2],
        "d/labels.csv:2:1: class_index must be a class index, not '-1'",
    ),
]
