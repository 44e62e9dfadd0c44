"""Pascal VOC's folders of pictures and boxes."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.boxes import CONFIG, boxes_of, of_size
from qbench.data.readers import checked_root, content_of, decode, manifest_of
from qbench.errors import BadSample, DataError, Place, nearest
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


@dataset("voc-detection", whole=("classes",))
@dataclass(frozen=True, config=CONFIG)
class VocDetection:
    """Pascal VOC's layout: ImageSets/Main/SPLIT.txt, JPEGImages/ID.jpg, Annotations/ID.xml.

    Corners count pixels from 1 and are both inside: (1, 1, 1, 1) is the first pixel. Objects marked `difficult` become
    crowds, so that a detection of one is neither right nor wrong, and finding none is no miss. Boxes without extent are
    left out. A sample whose annotation is missing or damaged is unreadable."""

    root: Path
    split: str = Field(default="val", description="The list of ids: ImageSets/Main/SPLIT.txt.")
    classes: tuple[str, ...] = Field(default=VOC_CLASSES, description="Names in the order of their indices.")
    suffix: str = Field(default=".jpg", description="The pictures' suffix.")
    name: str | None = Field(default=None, description="Its name in tables. Default: the root's.")

    @property
    def label(self) -> str:
        return self.name or self.root.name

    @cached_property
    def _ids(self) -> list[str]:
        """A line may also hold a flag after the id, as lists of single classes do (-1, 0 or 1)."""
        lists = checked_root(self.root) / "ImageSets" / "Main"
        file = lists / f"{self.split}.txt"
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            hint = nearest(self.split, (other.stem for other in lists.glob("*.txt")))
            raise DataError(f"the split's list {file} cannot be read: {error}{hint}") from None
        return [self._id(line.strip()) for line in lines if line.strip()]

    def _id(self, line: str) -> str:
        """Without its flag, unless a picture goes by the whole line."""
        before = re.sub(r"\s+(-1|0|1)$", "", line)
        return line if before != line and self._files(line)[0].is_file() else before

    def _files(self, sample_id: str) -> tuple[Path, Path]:
        return self.root / "JPEGImages" / f"{sample_id}{self.suffix}", self.root / "Annotations" / f"{sample_id}.xml"

    def manifest(self) -> Manifest:
        """Ids, and digests of both files' bytes and of the classes' names."""
        rows = ((one, *self._files(one)) for one in self._ids)
        known = ",".join(self.classes)
        return manifest_of(((one, picture, f"{content_of(xml)}:{known}") for one, picture, xml in rows), str(self.root))

    def load(self, index: int) -> Sample:
        """Raises BadSample, and DataError for a class that `classes` does not name."""
        sample_id = self._ids[index]
        picture, file = self._files(sample_id)
        image = decode(picture)
        tree = _parsed(file)
        try:
            size = _side(tree, "width"), _side(tree, "height")
            rows = [self._object(file, element) for element in tree.iter("object")]
        except ValueError as error:
            raise BadSample(f"{file.name} cannot be read as boxes: {error}") from None
        return Sample(sample_id, of_size(image, size, picture.name), boxes_of(rows))

    def _object(self, file: Path, element: ElementTree.Element) -> tuple[Any, ...]:
        name = (_text(element, "name") or "").strip()
        if not name:
            raise ValueError("an object has no name")
        if name not in self.classes:
            raise DataError(
                f"{file} holds an object of class {name!r}{nearest(name, self.classes)}; list all in `classes`"
            )
        x0, y0, x1, y1 = (_coordinate(element, corner) for corner in ("xmin", "ymin", "xmax", "ymax"))
        difficult = (_text(element, "difficult") or "0").strip() == "1"
        return x0 - 1, y0 - 1, x1, y1, self.classes.index(name), difficult, None


def _parsed(file: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(file.read_bytes())
    except OSError as error:
        raise BadSample(f"the annotation {file.name} cannot be read: {error.strerror}") from None
    except ElementTree.ParseError as error:
        line, column = error.position
        raise BadSample(f"the annotation is not XML: {error}", place=Place(file, line, column + 1)) from None


def _text(element: ElementTree.Element, path: str) -> str | None:
    child = element.find(path)
    return None if child is None else child.text


def _side(tree: ElementTree.Element, side: str) -> float | None:
    """What the file says of its picture, in pixels; None where it says nothing or 0."""
    text = (_text(tree, f"size/{side}") or "").strip()
    return float(text or 0) or None


def _coordinate(element: ElementTree.Element, corner: str) -> float:
    text = _text(element, f"bndbox/{corner}")
    if text is None:
        raise ValueError(f"an object has no {corner}")
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(f"{corner} is {text}")
    return value
