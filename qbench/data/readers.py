"""Readers of classification data on disk."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import BadSample, DataError, Place, nearest
from qbench.registry import dataset
from qbench.vocabulary import Image, Manifest, Sample

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF", "AVIF", "JPEG2000", "JXL", "HEIF")
"""What pictures may be, whatever their suffix says, as Pillow calls it. Pillow knows others, some of which it opens by
running foreign programs."""
_CONFIG = ConfigDict(extra="forbid")


@cache
def formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow reads."""
    Pillow.init()
    return tuple(name for name in FORMATS if name in Pillow.OPEN)


def decode(file: Path) -> Image:
    """An image file as uint8 [H, W, 3] RGB. Raises BadSample for a file that is missing, damaged or no image."""
    try:
        with Pillow.open(io.BytesIO(file.read_bytes()), formats=formats()) as picture:
            return _rgb(picture)
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise BadSample(f"{file.name} cannot be read as an image: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What is wrong with a file, in the same words wherever the file lies and whenever it is read."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is in none of the formats {', '.join(formats())}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _rgb(picture: Pillow.Image) -> Image:
    """Pillow's own conversion, but for grey pictures of 16 bits, which it would clip at 255."""
    if picture.mode.startswith("I;16"):
        return np.repeat((np.asarray(picture) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in {"I", "F"}:
        raise ValueError(f"pixels of mode {picture.mode} have no fixed range; store 8 or 16 bits a channel")
    return np.asarray(picture.convert("RGB"))


def checked_root(root: Path) -> Path:
    """`root`, if it is a folder. Raises DataError otherwise."""
    if not root.is_dir():
        raise DataError(
            f"the dataset's root {root} is not a folder; check the path, or the variable that it comes from"
        )
    return root


def manifest_of(files: Iterable[tuple[str, Path, Any]], source: str) -> Manifest:
    """A manifest of (id, file, target) rows; a row's digest covers the file's bytes and the target.

    Raises DataError for no rows or duplicate ids. A file that cannot be opened is left for `load` to report."""
    rows = list(files)
    if not rows:
        raise DataError(f"{source} holds no samples")
    doubles = [sample_id for sample_id, n in Counter(row[0] for row in rows).items() if n > 1]
    if doubles:
        raise DataError(
            f"{source} names sample {doubles[0]!r} twice ({len(doubles)} duplicate ids); ids must be unique"
        )
    return Manifest(tuple(r[0] for r in rows), tuple(f"{content_of(file)}:{target}" for _, file, target in rows))


def content_of(file: Path) -> str:
    """Digest of a file's bytes; `unreadable` for one that cannot be opened."""
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return "unreadable"


@dataclass(frozen=True, config=_CONFIG)
class _OnDisk:
    root: Path

    @cached_property
    def _rows(self) -> list[tuple[str, Path, int | None]]:
        raise NotImplementedError

    @property
    def label(self) -> str:
        return self.root.name

    def manifest(self) -> Manifest:
        return manifest_of(self._rows, str(self.root))

    def load(self, index: int) -> Sample:
        sample_id, file, target = self._rows[index]
        return Sample(sample_id, decode(file), target)


@dataset("imagefolder")
@dataclass(frozen=True, config=_CONFIG)
class ImageFolder(_OnDisk):
    """A folder a class, pictures inside: `root/CLASS/PICTURE`; classes are numbered in sorted order."""

    more_classes: ClassVar[bool] = True
    """A model may know classes that have no folder."""

    @cached_property
    def classes(self) -> tuple[str, ...]:
        root = checked_root(self.root)
        names = sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not hidden(folder, root))
        if not names:
            raise DataError(f"{self.root} holds no class folders; expected {self.root}/CLASS/PICTURE")
        return tuple(names)

    @cached_property
    def _rows(self) -> list[tuple[str, Path, int | None]]:
        return [
            (f"{name}/{file.name}", file, number)
            for number, name in enumerate(self.classes)
            for file in pictures(self.root / name)
        ]


@dataset("imagenet")
@dataclass(frozen=True, config=_CONFIG)
class ImageNet(_OnDisk):
    """ImageNet's validation layout, whole or in part: `root/WNID/PICTURE`, classes numbered as in ImageNet-1k."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The WordNet ids of all 1000, whichever have pictures here."""
        return tuple(imagenet_classes())

    @cached_property
    def _rows(self) -> list[tuple[str, Path, int | None]]:
        index = imagenet_classes()
        folders = sorted(folder for folder in checked_root(self.root).iterdir() if folder.name in index)
        if not folders:
            raise DataError(f"{self.root} holds no folder named by a WordNet id of ImageNet-1k (n01440764 ...)")
        return [
            (f"{folder.name}/{file.name}", file, index[folder.name]) for folder in folders for file in pictures(folder)
        ]


@cache
def imagenet_classes() -> dict[str, int]:
    """WordNet id to class index 0..999, in sorted order as in ImageNet-1k; from timm's data, without loading timm."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("timm is not installed; its list of ImageNet's WordNet ids is needed")
    file = Path(spec.submodule_search_locations[0]) / "data" / "_info" / "imagenet_synsets.txt"
    return {wnid: number for number, wnid in enumerate(file.read_text(encoding="ascii").split())}


@dataset("photos")
@dataclass(frozen=True, config=_CONFIG)
class Photos(_OnDisk):
    """Pictures without labels, in one folder and the folders below it."""

    @cached_property
    def _rows(self) -> list[tuple[str, Path, int | None]]:
        root = checked_root(self.root)
        return [(file.relative_to(root).as_posix(), file, None) for file in pictures(root, deep=True)]


@dataset("csv")
@dataclass(frozen=True, config=_CONFIG)
class CsvLabels(_OnDisk):
    """A table with a path and a label a row, beside the pictures; `split` keeps the rows of one split."""

    file: str = "labels.csv"
    split: str | None = None
    path_column: str = "file"
    label_column: str = "class_index"
    split_column: str = "split"
    id_column: str | None = Field(default=None, description="Column of the samples' ids. Default: the paths.")
    name: str | None = Field(default=None)

    @property
    def label(self) -> str:
        return self.name or self.root.name

    @cached_property
    def _rows(self) -> list[tuple[str, Path, int | None]]:
        table = checked_root(self.root) / self.file
        if not table.is_file():
            raise DataError(f"{table} does not exist; `file` names the table below the root")
        reader = csv.DictReader(io.StringIO(_text(table), newline=""))
        columns = reader.fieldnames or []
        wanted = [self.path_column, self.label_column, *([self.split_column] if self.split else [])]
        wanted += [self.id_column] if self.id_column else []
        for column in wanted:
            if column not in columns:
                raise DataError(f"{table} has no column {column!r}{nearest(column, columns)}", place=Place(table, 1, 1))
        rows = [(line, row) for line, row in enumerate(reader, start=2)]
        splits = {row[self.split_column] for _, row in rows} if self.split else set()
        if self.split and self.split not in splits:
            raise DataError(f"{table} has no split {self.split!r}{nearest(self.split, splits)}")
        return [
            (row[self.id_column or self.path_column], self.root / row[self.path_column], self._target(table, line, row))
            for line, row in rows
            if not self.split or row[self.split_column] == self.split
        ]

    def _target(self, table: Path, line: int, row: dict[str, str]) -> int:
        text = row[self.label_column]
        if text is None or not text.strip().isdecimal():
            raise DataError(f"{self.label_column} must be a class index, not {text!r}", place=Place(table, line, 1))
        return int(text)


def _text(table: Path) -> str:
    """The table's text; a byte order mark, as spreadsheets write it, is no part of the first column's name."""
    try:
        return table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table} cannot be read as UTF-8 text: {error}; save it as UTF-8") from None


def pictures(folder: Path, *, deep: bool = False) -> list[Path]:
    """The picture files of a folder, sorted by path; none that is hidden or in a hidden folder."""
    entries = folder.rglob("*") if deep else folder.iterdir()
    named = (file for file in entries if file.suffix.lower() in SUFFIXES and not hidden(file, folder))
    return sorted(file for file in named if not file.is_dir())


def hidden(file: Path, below: Path) -> bool:
    """Whether a name on the way from `below` starts with a dot, as those of macOS' and editors' own files do."""
    return any(part.startswith(".") for part in file.relative_to(below).parts)
