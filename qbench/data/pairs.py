"""Readers of pictures to restore: with a clean partner each, with none, and grey ones as JPEG restorers are tested."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG, OnDisk, exif_hint, marked, size_of
from qbench.data.files import checked_root, find, folder_of, id_of, joined, manifest_of, told
from qbench.data.readers import Photos
from qbench.data.tables import Inside, table_of
from qbench.errors import BadSample, DataError
from qbench.registry import dataset
from qbench.vocabulary import Image, Manifest, Sample

Pair: TypeAlias = tuple[str, Path, Path | None]
"""Id, degraded picture and clean picture (None: there is none)."""
NOBODY_KNOWS: Image = np.zeros((0, 0, 3), np.uint8)
"""The target of a picture whose clean partner does not exist: None would call the picture itself the clean one."""


@dataset("pairs")
@dataclass(frozen=True, config=CONFIG)
class Pairs(OnDisk):
    """Degraded pictures with their clean ones: two folders with files of the same stem, or a table of paths.

    Without `table`, `images` and `clean` are folders below the root, searched through; with it, they are its columns.
    One clean picture may serve several degraded ones; clean pictures that none asks for are left out. A sample whose
    partner is missing, cannot be read or is of another size is unreadable."""

    images: str = Field(default="degraded", description="Folder, or the table's column, of the degraded pictures.")
    clean: str = Field(default="clean", description="Folder, or the table's column, of the clean pictures.")
    table: str | None = Field(default=None, description="A CSV file below the root, with paths below the root.")
    name: str | None = Field(default=None, description="Its name in tables. Default: the root's.")

    @property
    def label(self) -> str:
        return self.name or id_of(self.root.name)

    @property
    def degraded(self) -> tuple[str, str, None]:
        """Label, family and axis of its pictures in tables, where no condition degrades them further."""
        return self.images, "pairs", None

    @cached_property
    def _found(self) -> tuple[Sequence[Pair], tuple[str, ...]]:
        root = checked_root(self.root)
        if self.table is None:
            return by_stem(*(folder_of(root, name, "give a `table` of paths") for name in (self.images, self.clean)))
        return _listed(root, root / self.table, self.images, self.clean), ()

    def manifest(self) -> Manifest:
        """Ids, and digests of both files' bytes. Raises DataError."""
        pairs, notes = self._found
        rows = ((sample, file, clean or "missing") for sample, file, clean in pairs)
        return self.turned(manifest_of(rows, self.root, self.root, notes))

    def load(self, index: int) -> Sample:
        """Raises BadSample for a picture that cannot be read, or has no clean partner of its size."""
        sample, file, partner = self._found[0][index]
        if partner is None:
            raise BadSample(f"{file.name} has no clean picture of its stem in {self.clean}")
        degraded, clean = self.decoded(file), self.decoded(partner)
        if degraded.shape != clean.shape:
            sizes = f"{size_of(degraded)}, its clean picture {partner.name} {size_of(clean)}"
            raise BadSample(f"{file.name} is {sizes}{exif_hint(self.orientation, file, partner)}")
        return Sample(sample, degraded, clean)


@dataset("unpaired")
@dataclass(frozen=True, config=CONFIG)
class Unpaired(Photos):
    """Degraded pictures whose clean ones nobody knows, in one folder and those below it; no-reference metrics only."""

    @property
    def degraded(self) -> tuple[str, str, None]:
        """As of `pairs`: the folder's name."""
        return id_of(self.root.name), "unpaired", None

    def manifest(self) -> Manifest:
        return marked(super().manifest(), "unpaired")

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return Sample(sample.id, sample.image, NOBODY_KNOWS)


@dataset("photos-y")
@dataclass(frozen=True, config=CONFIG)
class PhotosLuma(Photos):
    """Clean pictures as grey ones: colour becomes its BT.601 luma (16-235, rounded), grey stays as it is.

    What JPEG restorers are tested on (LIVE1, Classic5): a colour JPEG of a grey picture is a grey JPEG, so that `psnr`
    is their figure. `psnr-y` would shrink the range a second time."""

    def manifest(self) -> Manifest:
        return marked(super().manifest(), "luma")

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return Sample(sample.id, as_luma(sample.image))


def as_luma(image: Image) -> Image:
    """uint8 [H, W, 3] to three equal channels: the first of MATLAB's `rgb2ycbcr`, or the picture where it is grey."""
    if (image == image[..., :1]).all():
        return image
    luma = np.round(16 + image.astype(np.float64) @ (np.array([65.481, 128.553, 24.966]) / 255))
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)


def by_stem(degraded: Path, clean: Path) -> tuple[Sequence[Pair], tuple[str, ...]]:
    """Every picture below `degraded` with the one at the same place below `clean`, whatever the kinds of file, and
    notes of what is left out.

    Raises DataError where a degraded picture has two partners, or none has one."""
    found, found_clean = find(degraded, deep=True), find(clean, deep=True)
    partners: dict[Path, list[Path]] = {}
    for file in found_clean.pictures:
        partners.setdefault(file.relative_to(clean).with_suffix(""), []).append(file)
    pairs: list[Pair] = []
    for file in found.pictures:
        place = file.relative_to(degraded)
        matches = partners.get(place.with_suffix(""), [])
        if len(matches) > 1:
            raise DataError(f"{file} has two clean pictures, {matches[0]} and {matches[1]}; keep one")
        pairs.append((id_of(place), file, matches[0] if matches else None))
    if pairs and not any(partner for _, _, partner in pairs):
        raise DataError(f"no picture in {degraded} has a clean one of its stem in {clean}; use a `table` of paths")
    return pairs, told(joined([found.left_out, found_clean.left_out]), degraded.parent)


def _listed(root: Path, table: Path, *columns: str) -> Sequence[Pair]:
    """The pairs of a table. Raises DataError that names the line of a path that is missing or leaves the root."""
    if not table.is_file():
        raise DataError(f"{table} does not exist; `table` names a CSV file below the root")
    pairs, inside = [], Inside(root)
    for place, row in table_of(table, columns):
        names = [row[column].strip() for column in columns]
        for column, name in zip(columns, names, strict=True):
            if not name:
                raise DataError(f"no path in column {column!r}", place=place)
        degraded, clean = (inside.file(root, name, place) for name in names)
        pairs.append((names[0], degraded, clean))
    return pairs
