"""Pascal VOC's folders of pictures and boxes."""

from __future__ import annotations

import math
import re
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from qbench.data.boxes import FARTHEST, boxes_of, fits
from qbench.data.decoding import CONFIG, OnDisk
from qbench.data.files import bytes_of, checked_root, id_of, manifest_of
from qbench.data.tables import Inside, lines_of
from qbench.errors import BadSample, DataError, foreign, nearest
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


@dataset("voc-detection", whole=("classes",))
@dataclass(frozen=True, config=CONFIG)
class VocDetection(OnDisk):
    """Pascal VOC's layout: ImageSets/Main/SPLIT.txt, JPEGImages/ID.jpg, Annotations/ID.xml.

    Corners count pixels from 1 and are both inside: (1, 1, 1, 1) is the first pixel. Objects marked `difficult` become
    crowds, so that a detection of one is neither right nor wrong, and finding none is no miss. A sample whose
    annotation is missing or damaged, or has a box with swapped corners or outside of the picture, is unreadable."""

    split: str = Field(default="val", description="The list of ids: ImageSets/Main/SPLIT.txt.")
    classes: tuple[str, ...] = Field(default=VOC_CLASSES, description="Names in the order of their indices.")
    suffix: str = Field(default=".jpg", description="The pictures' suffix.")
    name: str | None = Field(default=None, description="Its name in tables. Default: the root's.")

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        double = next((name for name in classes if classes.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"{double!r} is there twice; a class has one index")
        return classes

    @property
    def label(self) -> str:
        return self.name or id_of(self.root.name)

    @cached_property
    def _ids(self) -> list[str]:
        """A line may also hold a flag after the id, as lists of single classes do (-1, 0 or 1)."""
        lists = checked_root(self.root) / "ImageSets" / "Main"
        file = lists / f"{self.split}.txt"
        if not file.is_file():
            hint = nearest(self.split, (other.stem for other in lists.glob("*.txt")))
            raise DataError(f"the split's list {file} does not exist{hint}")
        inside, ids = Inside(self.root), []
        for place, line in lines_of(file):
            ids.append(self._id(line))
            for folder in ("JPEGImages", "Annotations"):
                inside.file(self.root / folder, f"{ids[-1]}{self.suffix}", place)
        return ids

    def _id(self, line: str) -> str:
        """Without its flag, unless a picture goes by the whole line."""
        before = re.sub(r"\s+(-1|0|1)$", "", line)
        return line if before != line and self._files(line)[0].is_file() else before

    def _files(self, sample_id: str) -> tuple[Path, Path]:
        return self.root / "JPEGImages" / f"{sample_id}{self.suffix}", self.root / "Annotations" / f"{sample_id}.xml"

    def manifest(self) -> Manifest:
        """Ids, and digests of both files' bytes and of the classes' names."""
        known = ",".join(self.classes)
        rows = ((one, *self._files(one), known) for one in self._ids)
        return self.turned(manifest_of(rows, self.root, self.root))

    def load(self, index: int) -> Sample:
        """Raises BadSample, and DataError for a class that `classes` does not name."""
        sample_id = self._ids[index]
        picture, file = self._files(sample_id)
        image, tree = self.decoded(picture), _parsed(file)
        boxes = boxes_of([self._object(file, element) for element in tree.iter("object")])
        fits(self, picture, image, (_side(file, tree, "width"), _side(file, tree, "height")), boxes)
        return Sample(sample_id, image, boxes)

    def _object(self, file: Path, element: ElementTree.Element) -> tuple[Any, ...]:
        name = _text(element, "name")
        if not name:
            raise BadSample(f"{file.name} cannot be read as boxes: an object has no name")
        if name not in self.classes:
            raise DataError(
                f"{file} holds an object of class {name!r}{nearest(name, self.classes)}; list all in `classes`"
            )
        x0, y0, x1, y1 = (_number(file, element, f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax"))
        if x0 > x1 or y0 > y1:
            text = f"a box of {name!r} has swapped corners: xmin {x0:g} ymin {y0:g} xmax {x1:g} ymax {y1:g}"
            raise BadSample(f"{file.name} cannot be read as boxes: {text}")
        return x0 - 1, y0 - 1, x1, y1, self.classes.index(name), _text(element, "difficult") == "1", None


class _WithoutTypes(ElementTree.TreeBuilder):
    """Of a document that declares no type, and so no entities, which may be of any size."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type, which annotations do not have")


def _parsed(file: Path) -> ElementTree.Element:
    content, text = bytes_of(file, "an annotation"), f"{file.name} cannot be read as an annotation"
    with foreign(text, BadSample):
        try:
            tree = ElementTree.fromstring(content, ElementTree.XMLParser(target=_WithoutTypes()))
        except ElementTree.ParseError as error:
            line, column = error.position
            broken = f"the annotation is not XML: {expat.ErrorString(error.code)}"
            raise BadSample(f"{file.name}:{line}:{column + 1}: {broken}") from None
    for element, name in [(tree, "annotation"), *((e, "object") for e in tree.iter() if _plain(e.tag) == "object")]:
        if element.tag != name:
            raise BadSample(f"{text}: it holds a <{element.tag}>; expected <{name}>, without a namespace")
    return tree


def _plain(tag: Any) -> str:
    """A tag without its namespace, in lower case."""
    return str(tag).rpartition("}")[2].lower()


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _side(file: Path, tree: ElementTree.Element, side: str) -> float | None:
    """What the file says of its picture, in pixels; None where it says nothing or 0."""
    return _number(file, tree, f"size/{side}") or None if _text(tree, f"size/{side}") else None


def _number(file: Path, element: ElementTree.Element, path: str) -> float:
    text, name = _text(element, path), path.rpartition("/")[2]
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= FARTHEST:
        given = f"is {text!r}" if text else "is missing"
        expected = f"expected a number of pixels, up to {FARTHEST:,.0f}"
        raise BadSample(f"{file.name} cannot be read as boxes: {name} {given}; {expected}")
    return value
