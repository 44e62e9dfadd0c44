"""Readers of boxes against trees that the tests write, broken ones among them, and against real pictures' counts."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.cocoeval import COCOeval

from qbench.data.boxes import Coco
from qbench.data.boxes_voc import VOC_CLASSES, VocDetection
from qbench.data.views import View
from qbench.errors import BadSample, DataError
from qbench.registry import get
from qbench.tasks.detection.metrics import AveragePrecision
from qbench.tasks.detection.predict import score, target
from qbench.vocabulary import Boxes, Sample
from tests.tasks.detections import NAMES, coco, without_minus_one, xywh


def put(file: Path, seed: int = 0, width: int = 30, height: int = 20) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


CONTENT = {
    "images": [
        {"id": 7, "file_name": "b.png", "width": 30, "height": 20},
        {"id": 3, "file_name": "sub/a.png", "width": 30, "height": 20},
        {"id": 5, "file_name": "c.png"},
    ],
    "categories": [{"id": 90, "name": "brush"}, {"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 90, "bbox": [1, 2, 10, 5.5], "area": 40.0, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 30, 20], "area": 600, "iscrowd": 1},
        {"id": 3, "image_id": 3, "category_id": 1, "bbox": [4, 4, 3, 3]},
        {"id": 4, "image_id": 3, "category_id": 1, "bbox": [4, 4, 0, 3], "area": 0},
    ],
}


def tree(root: Path, **changes: object) -> Path:
    content = {**json.loads(json.dumps(CONTENT)), **changes}
    root.mkdir(parents=True, exist_ok=True)
    (root / "annotations.json").write_text(json.dumps(content))
    for seed, name in enumerate(("b.png", "sub/a.png", "c.png")):
        put(root / "images" / name, seed)
    return root


def test_coco_maps_gaps_in_ids_and_keeps_crowds_and_areas(tmp_path: Path) -> None:
    data = Coco(tree(tmp_path))
    assert data.classes == ("person", "dog", "brush")
    assert data.manifest().ids == ("b.png", "sub/a.png", "c.png")
    crowd, objects, none = (data.load(index).target for index in range(3))
    assert (crowd.labels.tolist(), crowd.crowd.tolist(), crowd.area.tolist()) == ([1], [True], [600])
    assert objects.corners.tolist() == [[1, 2, 11, 7.5], [4, 4, 7, 7]], "the box without width is left out"
    assert (objects.labels.tolist(), objects.crowd.tolist()) == ([2, 0], [False, False])
    assert objects.area.tolist() == [40, 9], "the outline's where stated, else the box's"
    assert none.corners.shape == (0, 4)
    assert [array.dtype.name for array in (none.corners, none.labels, none.crowd, none.area)] == [
        "float32", "int32", "bool", "float64",
    ]  # fmt: skip


def test_coco_s_digests_follow_pictures_boxes_and_names(tmp_path: Path) -> None:
    before = Coco(tree(tmp_path)).manifest().digests
    assert Coco(tree(tmp_path)).manifest().digests == before
    moved = json.loads(json.dumps(CONTENT["annotations"]))
    moved[0]["bbox"][0] = 1.5
    changed = Coco(tree(tmp_path, annotations=moved)).manifest().digests
    assert [old == new for old, new in zip(before, changed, strict=True)] == [True, False, True]
    tree(tmp_path)
    put(tmp_path / "images" / "c.png", 9)
    changed = Coco(tmp_path).manifest().digests
    assert [old == new for old, new in zip(before, changed, strict=True)] == [True, True, False]
    names = [{"id": 90, "name": "broom"}, *CONTENT["categories"][1:]]
    assert not set(before) & set(Coco(tree(tmp_path, categories=names)).manifest().digests)


def test_coco_s_bad_samples(tmp_path: Path) -> None:
    data = Coco(tree(tmp_path))
    (tmp_path / "images" / "b.png").unlink()
    (tmp_path / "images" / "sub" / "a.png").write_bytes(b"no picture")
    assert len(data.manifest().ids) == 3
    for index in (0, 1):
        with pytest.raises(BadSample, match="cannot be read as an image"):
            data.load(index)
    put(tmp_path / "images" / "b.png", width=20, height=30)
    with pytest.raises(BadSample, match="is 20x30 pixels, but its boxes are for 30x20"):
        data.load(0)


def broken(key: str, at: int, **change: object) -> dict[str, object]:
    rows = json.loads(json.dumps(CONTENT[key]))
    rows[at].update(change)
    return {key: rows}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": []}, "0 categories"),
        ({"categories": CONTENT["categories"] * 2}, "6 categories with 3 ids"),
        ({"annotations": {}}, "no list of objects 'annotations'"),
        ({"images": [3]}, "no list of objects 'images'"),
        ({"images": [], "annotations": []}, "holds no samples"),
        (broken("images", 1, file_name=None), r"images\[1\] has no file_name"),
        (broken("images", 1, id=7), r"images\[1\] has id 7, as another has"),
        (broken("images", 1, file_name="b.png"), "names sample 'b.png' twice"),
        (broken("annotations", 2, image_id=4), r"annotations\[2\] is of image 4"),
        (broken("annotations", 2, category_id=2), r"annotations\[2\] is of category 2"),
        (broken("annotations", 2, category_id="dog"), r"annotations\[2\] has no whole number 'category_id'"),
        (broken("annotations", 1, bbox=[1, 2, 3]), r"annotations\[1\] needs a bbox of four numbers"),
        (broken("annotations", 1, bbox=[1, 2, 3, float("nan")]), r"annotations\[1\] needs a bbox"),
        (broken("annotations", 1, bbox=[1, 2, 3, 10**400]), r"annotations\[1\] needs a bbox of four numbers"),
        (broken("annotations", 1, bbox=[1, 2, -3, 4]), r"annotations\[1\] has a bbox of -3 x 4 pixels"),
        (broken("annotations", 1, area="large"), r"annotations\[1\] has area 'large'"),
        (broken("annotations", 1, iscrowd="0"), r"annotations\[1\] has iscrowd '0'; it is 0 or 1"),
        (broken("images", 1, width="30"), r"images\[1\] has width '30', which is not a number"),
    ],
)
def test_coco_files_that_make_no_sense(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        Coco(tree(tmp_path, **changes)).manifest()


def test_coco_files_that_are_no_json_name_the_place(tmp_path: Path) -> None:
    (tree(tmp_path) / "annotations.json").write_text('{"images": [],\n  "annotations": [}')
    with pytest.raises(DataError, match="not JSON") as caught:
        Coco(tmp_path).manifest()
    assert str(caught.value).startswith(f"{tmp_path / 'annotations.json'}:2:")
    (tmp_path / "annotations.json").write_text('{"images": [1%s]}' % ("0" * 5000))
    with pytest.raises(DataError, match="cannot be read"):
        Coco(tmp_path).manifest()
    with pytest.raises(DataError, match="cannot be read"):
        Coco(tmp_path, annotations="none.json").manifest()
    with pytest.raises(DataError, match="not a folder"):
        Coco(tmp_path / "none").manifest()


VOC = """<annotation><filename>x.jpg</filename><size><width>30</width><height>20</height><depth>3</depth></size>
<object><name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>
<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part></object>
<object><name>cat</name><difficult>1</difficult><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>5</xmax><ymax>7.5</ymax></bndbox></object>
</annotation>
"""


def voc(root: Path, text: str = VOC, ids: str = "one\ntwo  1\n\n") -> Path:
    for folder in ("ImageSets/Main", "Annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "Main" / "val.txt").write_text(ids)
    for seed, name in enumerate(("one", "two")):
        put(root / "JPEGImages" / f"{name}.jpg", seed)
        (root / "Annotations" / f"{name}.xml").write_text(text)
    return root


def test_voc_counts_pixels_from_one_and_makes_crowds_of_difficult_objects(tmp_path: Path) -> None:
    data = VocDetection(voc(tmp_path))
    assert data.manifest().ids == ("one", "two")
    objects = data.load(0).target
    assert objects.corners.tolist() == [[0, 0, 30, 20], [4, 5, 5, 7.5]]
    assert objects.labels.tolist() == [VOC_CLASSES.index("dog"), VOC_CLASSES.index("cat")]
    assert objects.crowd.tolist() == [False, True]
    assert objects.area.tolist() == [600, 2.5]


def test_a_difficult_object_is_neither_a_hit_nor_a_miss(tmp_path: Path) -> None:
    sample = VocDetection(voc(tmp_path)).load(0)
    whole = View(None, None)
    truth = target(sample, sample.image, whole)

    def ap(*detections: tuple[list[float], int, float]) -> float:
        corners, labels, scores = ([row[i] for row in detections] for i in range(3))
        output = Boxes(np.array(corners, np.float32), np.array(labels), np.array(scores, np.float32))
        return float(AveragePrecision.statistic({**score([output], [truth]), "error": np.array([""])}, np.ones(1)))

    dog = ([0, 0, 30, 20], VOC_CLASSES.index("dog"), 0.5)
    cat = ([4, 5, 5, 7.5], VOC_CLASSES.index("cat"), 0.9)
    assert ap(dog) == ap(dog, cat) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VOC.replace("</annotation>", ""), "one.xml:6:1: the annotation is not XML"),
        (VOC.replace("<xmin>1</xmin>", ""), "xmin is missing; expected a number of pixels"),
        (VOC.replace("<xmin>1</xmin>", "<xmin>left</xmin>"), "xmin is 'left'"),
        (
            VOC.replace("<xmin>1</xmin>", "<xmin>nan</xmin>"),
            "xmin is 'nan'; expected a number of pixels, up to",
        ),
        (VOC.replace("<width>30", "<width>20"), "is 30x20 pixels, but its boxes are for 20x20"),
        (VOC.replace("<width>30", "<width>wide"), "one.xml cannot be read as boxes"),
        (VOC.replace("<width>30", "<width>30.5"), "is 30x20 pixels, but its boxes are for 30.5x20"),
        (VOC.replace("<name>dog</name>", "<name> </name>"), "an object has no name"),
        (VOC.replace("<xmin>1<", "<xmin>31<"), "a box of 'dog' has swapped corners: xmin 31 ymin 1 xmax 30 ymax 20"),
        (VOC.replace("<xmin>5<", "<xmin>31<").replace("<xmax>5<", "<xmax>40<"), "lies outside of its 30x20 pixels"),
        (VOC.replace("<xmax>30<", "<xmax>1e9<"), "expected a number of pixels, up to 10,000,000"),
    ],
)
def test_voc_s_bad_samples(text: str, message: str, tmp_path: Path) -> None:
    data = VocDetection(voc(tmp_path, text))
    assert len(data.manifest().ids) == 2
    with pytest.raises(BadSample) as caught:
        data.load(0)
    assert message in str(caught.value)


def test_voc_sizes_may_have_a_point_and_ids_spaces(tmp_path: Path) -> None:
    data = VocDetection(voc(tmp_path, VOC.replace("<width>30", "<width>30.0"), "one  1\ntwo\t-1\nmy one\nmy 1\n"))
    for name in ("my one", "my 1"):
        put(tmp_path / "JPEGImages" / f"{name}.jpg")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(VOC)
    assert data.manifest().ids == ("one", "two", "my one", "my 1")
    assert [len(data.load(index).target.labels) for index in range(4)] == [2, 2, 2, 2]


def test_voc_s_missing_files(tmp_path: Path) -> None:
    data = VocDetection(voc(tmp_path))
    (tmp_path / "Annotations" / "one.xml").unlink()
    (tmp_path / "JPEGImages" / "two.jpg").unlink()
    assert data.manifest().ids == ("one", "two")
    with pytest.raises(BadSample, match=r"one.xml cannot be read as an annotation: No such file"):
        data.load(0)
    with pytest.raises(BadSample, match=r"two.jpg cannot be read as an image"):
        data.load(1)
    with pytest.raises(DataError, match="did you mean 'val'"):
        VocDetection(tmp_path, split="vals").manifest()
    with pytest.raises(DataError, match="holds no samples"):
        VocDetection(voc(tmp_path, ids="\n")).manifest()


def test_voc_s_classes_are_given_or_the_published_ones(tmp_path: Path) -> None:
    data = VocDetection(voc(tmp_path), classes=("cat", "dog"))
    assert data.load(0).target.labels.tolist() == [1, 0]
    assert data.manifest().digests != VocDetection(tmp_path).manifest().digests
    assert len(VOC_CLASSES) == 20
    with pytest.raises(DataError, match=r"class 'cat'.*list all in `classes`"):
        VocDetection(tmp_path, classes=("dog", "cats")).load(0)


@pytest.mark.parametrize(("split", "count"), [("train", 120), ("val", 40), ("test", 51)])
def test_blood_cells(shared: Path, split: str, count: int) -> None:
    data = Coco(shared / "data" / "bccd", annotations=f"annotations/{split}.json", images=f"images/{split}")
    assert data.classes == ("RBC", "WBC", "Platelets")
    assert len(data.manifest().ids) == count
    content = json.loads((shared / "data" / "bccd" / "annotations" / f"{split}.json").read_text())
    assert sum(len(boxes.labels) for _, _, boxes in data._rows) == len(content["annotations"])
    sample = data.load(count - 1)
    assert sample.image.shape == (480, 640, 3)
    assert sample.target.labels.max() < 3


def test_coco_pictures(shared: Path) -> None:
    data = Coco(shared / "data" / "coco", annotations="annotations/instances_test.json")
    assert len(data.manifest().ids) == 48
    names = {row["id"]: row["name"] for row in data._content["categories"]}
    assert data.classes == tuple(names[number] for number in sorted(names))
    samples = [data.load(index) for index in range(4)]
    assert all(sample.target.corners.max() <= max(sample.image.shape) + 1 for sample in samples)


def noisy(truth: Boxes, seed: int) -> Boxes:
    """Detections around the objects, some doubled, some of another class."""
    generator = np.random.default_rng(seed)
    which = np.repeat(np.arange(len(truth.labels)), generator.integers(0, 3, len(truth.labels)))
    corners = truth.corners[which] + generator.normal(0, 3, (len(which), 4)).round(1)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    labels = np.where(generator.random(len(which)) < 0.9, truth.labels[which], 0)
    return Boxes(corners.astype(np.float32), labels.astype(np.int32), generator.random(len(which)).astype(np.float32))


def seen_whole(row: dict[str, int], boxes: Boxes) -> Boxes:
    """As the task takes them where the view leaves the picture whole."""
    picture = np.zeros((row["height"], row["width"], 3), np.uint8)
    moved = target(Sample("s", picture, boxes), picture, View(None, None))
    assert moved is not None
    return moved


@pytest.mark.parametrize(
    ("root", "annotations", "images"),
    [("bccd", "annotations/val.json", "images/val"), ("coco", "annotations/instances_test.json", "images")],
)
def test_real_annotations_score_as_pycocotools_scores_their_file(
    root: str, annotations: str, images: str, shared: Path
) -> None:
    data = Coco(shared / "data" / root, annotations=annotations, images=images)
    content = json.loads((data.root / annotations).read_text())
    numbers = [row["id"] for row in content["images"]]
    categories = sorted(row["id"] for row in content["categories"])
    truths = [seen_whole(row, boxes) for row, _, boxes in data._rows]
    detections = [noisy(truth, seed) for seed, truth in enumerate(truths)]
    results = [
        {"image_id": number, "category_id": categories[label], "bbox": xywh(box), "score": float(value)}
        for number, boxes in zip(numbers, detections, strict=True)
        for box, label, value in zip(boxes.corners, boxes.labels, boxes.scores, strict=True)
    ]
    truth = coco(content)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    columns = {**score(detections, truths), "error": np.array([""] * len(detections))}
    for name, value in zip(NAMES, evaluation.stats, strict=True):
        ours = float(get("metric", name).target.statistic(columns, np.ones(len(detections))))
        assert ours == pytest.approx(without_minus_one(value), rel=0, abs=0, nan_ok=True), name
