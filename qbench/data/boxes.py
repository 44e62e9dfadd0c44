"""Pictures with boxes, on disk: the reader `coco`, and what readers of boxes share."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from reprlib import repr as short
from typing import Any, cast

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG, OnDisk, exif_hint
from qbench.data.files import checked_root, id_of, manifest_of
from qbench.data.tables import Inside, json_of
from qbench.errors import BadSample, DataError
from qbench.registry import dataset
from qbench.vocabulary import Boxes, Image, Manifest, Sample

FARTHEST = 1e7
"""Pixels that a corner lies from the picture's own at most."""


def boxes_of(rows: Iterable[tuple[float, float, float, float, int, bool, float | None]]) -> Boxes:
    """Boxes from rows of x0, y0, x1, y1, label, crowd and area (None: the box's own).

    Boxes without extent are left out: no detection can overlap them."""
    kept = [row for row in rows if has_extent(row)]
    corners = np.array([row[:4] for row in kept], dtype=np.float32).reshape(-1, 4)
    areas = [(row[2] - row[0]) * (row[3] - row[1]) if row[6] is None else row[6] for row in kept]
    return Boxes(
        corners,
        np.array([row[4] for row in kept], dtype=np.int32),
        crowd=np.array([row[5] for row in kept], dtype=np.bool_),
        area=np.array(areas, dtype=np.float64),
    )


def has_extent(row: Sequence[Any]) -> bool:
    """Whether a box has a width and a height in the precision of `Boxes`."""
    x0, y0, x1, y1 = np.array(row[:4], dtype=np.float32)
    return bool(x1 > x0 and y1 > y0)


def fits(reader: OnDisk, file: Path, image: Image, stated: tuple[Any, Any], boxes: Boxes) -> None:
    """Raise BadSample for an image that has not the stated width and height (boxes of another size lie elsewhere), and
    for a box that lies outside of it as a whole: no detection can overlap it."""
    height, width = image.shape[:2]
    if any(side not in {None, own} for side, own in zip(stated, (width, height), strict=True)):
        sizes = (
            f"{width}x{height} pixels, but its boxes are for {'x'.join('?' if s is None else f'{s:g}' for s in stated)}"
        )
        raise BadSample(f"{file.name} is {sizes}{exif_hint(reader.orientation, file)}")
    x0, y0, x1, y1 = boxes.corners.T
    outside = np.flatnonzero((x1 <= 0) | (y1 <= 0) | (x0 >= width) | (y0 >= height))
    if len(outside):
        corners = ", ".join(f"{value:g}" for value in boxes.corners[outside[0]])
        raise BadSample(f"a box ({corners}) of {file.name} lies outside of its {width}x{height} pixels")


@dataset("coco")
@dataclass(frozen=True, config=CONFIG)
class Coco(OnDisk):
    """A folder of pictures and a file of annotations in COCO's format; ids are file names.

    Classes are numbered from 0 by rising category id, whatever gaps those have. Crowds and areas are kept; boxes
    without extent are left out. A picture whose size is not the one that the file states, and one with a box outside of
    it, is unreadable."""

    annotations: str = Field(default="annotations.json", description="The annotation file, below the root.")
    images: str = Field(default="images", description="The folder of pictures, below the root.")
    name: str | None = Field(default=None, description="Its name in tables. Default: the root's.")

    @property
    def label(self) -> str:
        return self.name or id_of(self.root.name)

    @property
    def _file(self) -> Path:
        return self.root / self.annotations

    @cached_property
    def _content(self) -> Mapping[str, list[dict[str, Any]]]:
        checked_root(self.root)
        return _lists(self._file)

    @cached_property
    def _categories(self) -> dict[int, str]:
        rows = self._content["categories"]
        numbers = [_number(self._file, "categories", at, row, "id") for at, row in enumerate(rows)]
        categories = {number: id_of(str(row.get("name", number))) for number, row in zip(numbers, rows, strict=True)}
        if len(categories) != len(rows) or not categories:
            raise DataError(f"{self._file} names {len(rows)} categories with {len(categories)} ids; each needs its own")
        return dict(sorted(categories.items()))

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self._categories.values())

    @cached_property
    def _rows(self) -> list[tuple[dict[str, Any], Path, Boxes]]:
        """Images in the file's order, with their files, each with its objects in the file's order."""
        images = self._content["images"]
        numbers = [_number(self._file, "images", at, row, "id") for at, row in enumerate(images)]
        objects: dict[int, list[Any]] = {}
        files, inside = [], Inside(self.root)
        for at, (row, number) in enumerate(zip(images, numbers, strict=True)):
            if not isinstance(row.get("file_name"), str):
                raise DataError(f"{self._file}: images[{at}] has no file_name")
            source = f"{self._file}: images[{at}]"
            files.append(inside.file(self.root / self.images, row["file_name"], source=source))
            for side in ("width", "height"):
                if row.get(side) is not None and not _is_number(row[side]):
                    raise DataError(f"{self._file}: images[{at}] has {side} {short(row[side])}, which is not a number")
            if number in objects:
                raise DataError(f"{self._file}: images[{at}] has id {number}, as another has")
            objects[number] = []
        labels = {number: label for label, number in enumerate(self._categories)}
        seen: set[Any] = set()
        for at, row in enumerate(self._content["annotations"]):
            one = row.get("id")
            if isinstance(one, int | str):
                if one in seen:
                    raise DataError(f"{self._file}: annotations[{at}] has id {short(one)}, as another has")
                seen.add(one)
            image = _number(self._file, "annotations", at, row, "image_id")
            category = _number(self._file, "annotations", at, row, "category_id")
            for what, known, number in (("image", objects, image), ("category", labels, category)):
                if number not in known:
                    raise DataError(f"{self._file}: annotations[{at}] is of {what} {number}, which the file lacks")
            objects[image].append(self._box(at, row, labels[category]))
        return [
            (row, file, boxes_of(objects[number])) for row, file, number in zip(images, files, numbers, strict=True)
        ]

    @property
    def _notes(self) -> tuple[str, ...]:
        boxes = (row["bbox"] for row in self._content["annotations"])
        flat = [at for at, (x, y, w, h) in enumerate(boxes) if not has_extent((x, y, x + w, y + h))]
        return (f"boxes without extent are left out: {len(flat)}, such as annotations[{flat[0]}]",) if flat else ()

    def _box(self, at: int, row: dict[str, Any], label: int) -> tuple[Any, ...]:
        box, area, crowd = row.get("bbox"), row.get("area"), row.get("iscrowd", 0)
        here = f"{self._file}: annotations[{at}]"
        if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
            raise DataError(f"{here} needs a bbox of four numbers, not {short(box)}")
        if max(map(abs, box)) > FARTHEST:
            raise DataError(f"{here} has the bbox {short(box)}; numbers of a bbox go up to {FARTHEST:,.0f} pixels")
        x, y, width, height = box
        if width < 0 or height < 0:
            raise DataError(f"{here} has a bbox of {width} x {height} pixels; a bbox is [x, y, width, height]")
        if area is not None and not (_is_number(area) and area >= 0):
            raise DataError(f"{here} has area {short(area)}, which is not a number of square pixels from 0 on")
        if not isinstance(crowd, int) or crowd not in {0, 1}:
            raise DataError(f"{here} has iscrowd {short(crowd)}; it is 0 or 1")
        return x, y, x + width, y + height, label, bool(crowd), area

    def manifest(self) -> Manifest:
        """Ids, and digests of pictures, of the objects in them and of the classes' names."""
        names = ",".join(self.classes)
        rows = (
            (id_of(row["file_name"]), file, _digest(names, row.get("width"), row.get("height"), boxes))
            for row, file, boxes in self._rows
        )
        return self.turned(manifest_of(rows, self.root, self._file, self._notes))

    def load(self, index: int) -> Sample:
        """Raises BadSample for a picture that cannot be read or does not fit its boxes."""
        row, file, boxes = self._rows[index]
        image = self.decoded(file)
        fits(self, file, image, (row.get("width"), row.get("height")), boxes)
        return Sample(id_of(row["file_name"]), image, boxes)


def _lists(file: Path) -> Mapping[str, list[dict[str, Any]]]:
    """The file's three lists. Raises DataError, with the place where the text breaks off."""
    content = json_of(file)
    for key in ("images", "annotations", "categories"):
        rows = content.get(key) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{file} has no list of objects {key!r}; it is not in COCO's format for boxes")
    return cast(Mapping[str, list[dict[str, Any]]], content)


def _number(file: Path, part: str, at: int, row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{file}: {part}[{at}] has no whole number {key!r}")
    return value


def _is_number(value: Any) -> bool:
    """Whether a float holds it, and it is finite."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _digest(*facts: Any) -> str:
    state = hashlib.blake2b(digest_size=16)
    for fact in facts:
        parts = (fact.corners, fact.labels, fact.crowd, fact.area) if isinstance(fact, Boxes) else (fact,)
        for part in parts:
            state.update((part.tobytes() if isinstance(part, np.ndarray) else str(part).encode()) + b"\0")
    return state.hexdigest()
