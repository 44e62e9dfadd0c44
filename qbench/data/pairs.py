"""Readers of pictures to restore: with a clean partner each, with none, and grey ones as JPEG restorers are tested."""

from __future__ import annotations

import csv
import io
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.data.readers import Photos, _text, checked_root, content_of, decode, manifest_of, pictures
from qbench.errors import BadSample, DataError, Place, nearest
from qbench.registry import dataset
from qbench.vocabulary import Image, Manifest, Sample

_CONFIG = ConfigDict(extra="forbid")
NOBODY_KNOWS: Image = np.zeros((0, 0, 3), np.uint8)
"""The target of a picture whose clean partner does not exist: None would call the picture itself the clean one."""


@dataset("pairs")
@dataclass(frozen=True, config=_CONFIG)
class Pairs:
    """Degraded pictures with their clean ones: two folders with files of the same stem, or a table of paths.

    Without `table`, `images` and `clean` are folders below the root, searched through; with it, they are its columns.
    One clean picture may serve several degraded ones; clean pictures that none asks for are left out. A sample whose
    partner is missing, cannot be read or is of another size is unreadable."""

    root: Path
    images: str = Field(default="degraded", description="Folder, or the table's column, of the degraded pictures.")
    clean: str = Field(default="clean", description="Folder, or the table's column, of the clean pictures.")
    table: str | None = Field(default=None, description="A CSV file below the root, with paths below the root.")
    name: str | None = Field(default=None, description="Its name in tables. Default: the root's.")

    @property
    def label(self) -> str:
        return self.name or self.root.name

    @property
    def degraded(self) -> tuple[str, str, None]:
        """Label, family and axis of its pictures in tables, where no condition degrades them further."""
        return self.images, "pairs", None

    @cached_property
    def _rows(self) -> list[tuple[str, Path, Path | None]]:
        """Id, degraded picture and clean picture (None: there is none)."""
        root = checked_root(self.root)
        if self.table is None:
            return by_stem(_folder(root, self.images), _folder(root, self.clean))
        return [(row[0], root / row[0], root / row[1]) for row in _table(root / self.table, self.images, self.clean)]

    def manifest(self) -> Manifest:
        """Ids, and digests of both files' bytes. Raises DataError."""
        rows = ((sample, file, content_of(clean) if clean else "missing") for sample, file, clean in self._rows)
        return manifest_of(rows, str(self.root))

    def load(self, index: int) -> Sample:
        """Raises BadSample for a picture that cannot be read, or has no clean partner of its size."""
        sample, file, partner = self._rows[index]
        if partner is None:
            raise BadSample(f"{file.name} has no clean picture of its stem in {self.clean}")
        degraded, clean = decode(file), decode(partner)
        if degraded.shape != clean.shape:
            sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in (degraded, clean)]
            raise BadSample(f"{file.name} is {sizes[0]}, its clean picture {partner.name} {sizes[1]}")
        return Sample(sample, degraded, clean)


@dataset("unpaired")
@dataclass(frozen=True, config=_CONFIG)
class Unpaired(Photos):
    """Degraded pictures whose clean ones nobody knows, in one folder and those below it; no-reference metrics only."""

    @property
    def degraded(self) -> tuple[str, str, None]:
        """As of `pairs`: the folder's name."""
        return self.root.name, "unpaired", None

    def manifest(self) -> Manifest:
        return _marked(super().manifest(), "unpaired")

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return Sample(sample.id, sample.image, NOBODY_KNOWS)


@dataset("photos-y")
@dataclass(frozen=True, config=_CONFIG)
class PhotosLuma(Photos):
    """Clean pictures as grey ones: colour becomes its BT.601 luma (16-235, rounded), grey stays as it is.

    What JPEG restorers are tested on (LIVE1, Classic5): a colour JPEG of a grey picture is a grey JPEG, so that `psnr`
    is their figure. `psnr-y` would shrink the range a second time."""

    def manifest(self) -> Manifest:
        return _marked(super().manifest(), "luma")

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return Sample(sample.id, as_luma(sample.image))


def _marked(manifest: Manifest, how: str) -> Manifest:
    """One file read in another way is another sample."""
    return Manifest(manifest.ids, tuple(f"{digest}:{how}" for digest in manifest.digests))


def as_luma(image: Image) -> Image:
    """uint8 [H, W, 3] to three equal channels: the first of MATLAB's `rgb2ycbcr`, or the picture where it is grey."""
    if (image == image[..., :1]).all():
        return image
    luma = np.round(16 + image.astype(np.float64) @ (np.array([65.481, 128.553, 24.966]) / 255))
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)


def by_stem(degraded: Path, clean: Path) -> list[tuple[str, Path, Path | None]]:
    """Every picture below `degraded` with the one at the same place below `clean`, whatever the kinds of file.

    Raises DataError where a degraded picture has two partners, or none has one."""
    partners: dict[Path, list[Path]] = {}
    for file in pictures(clean, deep=True):
        partners.setdefault(file.relative_to(clean).with_suffix(""), []).append(file)
    rows: list[tuple[str, Path, Path | None]] = []
    for file in pictures(degraded, deep=True):
        place = file.relative_to(degraded)
        matches = partners.get(place.with_suffix(""), [])
        if len(matches) > 1:
            raise DataError(f"{file} has two clean pictures, {matches[0]} and {matches[1]}; keep one")
        rows.append((place.as_posix(), file, matches[0] if matches else None))
    if rows and not any(partner for _, _, partner in rows):
        raise DataError(f"no picture in {degraded} has a clean one of its stem in {clean}; use a `table` of paths")
    return rows


def _folder(root: Path, name: str) -> Path:
    if not (root / name).is_dir():
        known = [folder.name for folder in root.iterdir() if folder.is_dir()]
        raise DataError(f"{root} holds no folder {name!r}{nearest(name, known)}; name it, or give a `table` of paths")
    return root / name


def _table(file: Path, *columns: str) -> list[tuple[str, ...]]:
    """The cells of `columns`, row by row. Raises DataError that names the line of an empty one."""
    if not file.is_file():
        raise DataError(f"{file} does not exist; `table` names a CSV file below the root")
    reader = csv.DictReader(io.StringIO(_text(file), newline=""))
    known = reader.fieldnames or []
    for column in columns:
        if column not in known:
            raise DataError(f"{file} has no column {column!r}{nearest(column, known)}", place=Place(file, 1, 1))
    rows = []
    for line, row in enumerate(reader, start=2):
        for column in columns:
            if not (row[column] or "").strip():
                raise DataError(f"no path in column {column!r}", place=Place(file, line, 1))
        rows.append(tuple(row[column].strip() for column in columns))
    return rows
