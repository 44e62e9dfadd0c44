"""Readers of three segmentation sets in the layouts in which they are published."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG
from qbench.data.files import checked_root, find, id_of, listing, told
from qbench.data.mask_values import Meaning
from qbench.data.masks import MaskedPictures, Paired, Row, paired_by_stem
from qbench.data.tables import Inside, lines_of, text_of
from qbench.errors import DataError, nearest
from qbench.registry import dataset

CITYSCAPES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
"""The 19 classes that Cityscapes evaluates, in the order of their train ids, and their label ids of 0 to 33."""
CITYSCAPES_IDS = 34
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
ADE20K_CLASSES = 150


def split_of(folder: Path, split: str) -> Path:
    """The folder of a split. Raises DataError with the nearest split that there is."""
    if not (folder / split).is_dir():
        splits = [path.name for path in listing(checked_root(folder)).folders]
        raise DataError(f"{folder} holds no split {split!r}{nearest(split, splits)}")
    return folder / split


@dataset("cityscapes")
@dataclass(frozen=True, config=CONFIG)
class Cityscapes(MaskedPictures):
    """Cityscapes: `root/leftImg8bit/SPLIT/CITY/..._leftImg8bit.png`, with the fine `..._gtFine_labelIds.png`.

    Label ids become the 19 train ids; the others are ignored (Cordts et al., CVPR 2016)."""

    split: str = "val"
    classes: ClassVar[tuple[str, ...]] = tuple(CITYSCAPES)

    @cached_property
    def _meaning(self) -> Meaning:
        return Meaning.listed(tuple(CITYSCAPES.values()), range(CITYSCAPES_IDS))

    @cached_property
    def _paired(self) -> Paired:
        root = checked_root(self.root)
        folder, end = split_of(root / "leftImg8bit", self.split), "_leftImg8bit"
        masks = root / "gtFine" / self.split
        rows, others, found = [], [], find(folder, deep=True)
        for file in found.pictures:
            if file.name.endswith(f"{end}.png") and file.parent.parent == folder:
                place = f"{file.parent.name}/{file.stem.removesuffix(end)}"
                rows.append(Row(id_of(place), file, masks / f"{place}_gtFine_labelIds.png"))
            else:
                others.append(file)
        left = {**found.left_out, f"pictures that are not SPLIT/CITY/...{end}.png": others}
        return Paired(_with_masks(rows), told(left, root))


@dataset("ade20k")
@dataclass(frozen=True, config=CONFIG)
class Ade20k(MaskedPictures):
    """ADE20K of the scene parsing benchmark: `root/images/SPLIT/NAME.jpg` and `root/annotations/SPLIT/NAME.png`.

    Masks hold the 150 classes as 1 to 150, which become 0 to 149; 0 is ignored (Zhou et al., CVPR 2017). Names come
    from `root/objectInfo150.txt`, the first of each class's; without that file they are `class 1` to `class 150`."""

    split: str = "validation"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Raises DataError for a table that does not name 150 classes."""
        table = self.root / "objectInfo150.txt"
        if not table.is_file():
            return tuple(f"class {number}" for number in range(1, ADE20K_CLASSES + 1))
        rows = [line.split("\t") for line in text_of(table).splitlines()[1:] if line.strip()]
        if len(rows) != ADE20K_CLASSES:
            raise DataError(f"{table} names {len(rows)} classes below its header, expected {ADE20K_CLASSES}")
        return tuple(row[-1].split(",")[0].strip() for row in rows)

    @cached_property
    def _meaning(self) -> Meaning:
        return Meaning.counted(1, (), ADE20K_CLASSES)

    @cached_property
    def _paired(self) -> Paired:
        root = checked_root(self.root)
        return paired_by_stem(split_of(root / "images", self.split), split_of(root / "annotations", self.split))


@dataset("voc-segmentation")
@dataclass(frozen=True, config=CONFIG)
class VocSegmentation(MaskedPictures):
    """Pascal VOC's segmentation: `root/{JPEGImages,SegmentationClass}` and `root/ImageSets/Segmentation/SPLIT.txt`.

    `root` is a year's folder, such as `VOCdevkit/VOC2012`. 21 classes, background among them; borders and hard objects
    (255) are ignored (Everingham et al., IJCV 2015)."""

    split: str = "val"
    masks: Literal["SegmentationClass", "SegmentationClassAug"] = "SegmentationClass"
    classes: ClassVar[tuple[str, ...]] = VOC

    @cached_property
    def _meaning(self) -> Meaning:
        return Meaning.counted(0, (), len(VOC))

    @cached_property
    def _paired(self) -> Paired:
        root = checked_root(self.root)
        folder = root / "ImageSets" / "Segmentation"
        file = folder / f"{self.split}.txt"
        if not file.is_file():
            splits = [path.stem for path in checked_root(folder).glob("*.txt")]
            raise DataError(f"{folder} holds no split {self.split!r}{nearest(self.split, splits)}")
        images, masks, inside = root / "JPEGImages", root / self.masks, Inside(root)
        rows = []
        for place, line in lines_of(file):
            for stem in line.split():
                files = inside.file(images, f"{stem}.jpg", place), inside.file(masks, f"{stem}.png", place)
                rows.append(Row(stem, *files))
        return Paired(_with_masks(rows))


def _with_masks(rows: list[Row]) -> list[Row]:
    """Raises DataError where no row has its mask: those of the set were not fetched."""
    if rows and not any(row.mask.is_file() for row in rows):
        raise DataError(f"{rows[0].mask} is not there, nor is any other mask of this split")
    return rows
