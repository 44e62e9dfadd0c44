"""Readers of classification data on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG, OnDisk
from qbench.data.files import Found, checked_root, find, id_of, joined, listing, manifest_of, told
from qbench.data.tables import Inside, read_classes, table_of
from qbench.errors import BadSample, DataError, Place, nearest
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample

LARGEST_LABEL = 2**31 - 1
"""What records hold."""


@dataclass(frozen=True, config=CONFIG)
class _Labelled(OnDisk):
    """Pictures with a class index each, or none."""

    @cached_property
    def _rows(self) -> Sequence[tuple[str, Path, int | None]]:
        raise NotImplementedError

    @property
    def _notes(self) -> tuple[str, ...]:
        return ()

    @property
    def label(self) -> str:
        return id_of(self.root.name)

    def manifest(self) -> Manifest:
        return self.turned(manifest_of(self._rows, self.root, self.root, self._notes))

    def load(self, index: int) -> Sample:
        sample_id, file, target = self._rows[index]
        return Sample(sample_id, self.decoded(file), target)


@dataclass(frozen=True, config=CONFIG)
class _ClassFolders(_Labelled):
    """A folder a class, pictures inside."""

    @cached_property
    def _folders(self) -> Mapping[str, Found]:
        """By name, in sorted order, the folders below the root and their pictures."""
        top = listing(checked_root(self.root))
        if top.lost:
            raise DataError(f"{top.lost[0]} is a link that leads nowhere; if it is a class, bring back what it led to, "
                            "else remove it")  # fmt: skip
        return {folder.name: find(folder, deep=False) for folder in top.folders}

    def _rows_of(self, numbers: Mapping[str, int]) -> Sequence[tuple[str, Path, int | None]]:
        return [
            (id_of(f"{name}/{file.name}"), file, numbers[name])
            for name, found in self._folders.items()
            if name in numbers
            for file in found.pictures
        ]

    def _beside(self, names: Mapping[str, int]) -> tuple[str, ...]:
        """The note of what these class folders leave out."""
        top = listing(self.root)
        beside = {"pictures beside the class folders": [*top.pictures, *top.strange]}
        return told(joined([*(found.left_out for name, found in self._folders.items() if name in names), beside]),
                    self.root)  # fmt: skip


@dataset("imagefolder")
@dataclass(frozen=True, config=CONFIG)
class ImageFolder(_ClassFolders):
    """A folder a class, pictures inside: `root/CLASS/PICTURE`; classes are numbered in sorted order, or as a file of
    their names says. Without that file a folder that holds no picture is an error: it would shift the numbers."""

    classes_file: str | None = Field(
        default=None,
        description="The classes' names in the order of their numbers, below the root: JSON, or a name a line.",
    )

    more_classes: ClassVar[bool] = True
    """A model may know classes that have no folder."""

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(id_of, self._numbers))

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        folders = self._folders
        if not folders:
            raise DataError(f"{self.root} holds no class folders; expected {self.root}/CLASS/PICTURE")
        if self.classes_file is not None:
            return self._listed(self.classes_file)
        empty = [name for name, found in folders.items() if not found.pictures]
        if empty and len(empty) < len(folders):
            inside = "; ".join(told(folders[empty[0]].left_out, self.root)) or "it is empty"
            raise DataError(
                f"{self.root / empty[0]} holds no picture of its own ({inside}), but would count as class "
                f"{list(folders).index(empty[0])}; remove it, or name all classes in a `classes_file`"
            )
        return {name: number for number, name in enumerate(folders)}

    def _listed(self, name: str) -> Mapping[str, int]:
        file = self.root / name
        names, _ = read_classes(file)
        numbers = {name: number for number, name in enumerate(names)}
        if len(numbers) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{file} names the class {double!r} twice")
        for folder, found in self._folders.items():
            if found.pictures and folder not in numbers:
                raise DataError(f"the folder {folder!r} is no class of {file}{nearest(folder, numbers)}")
        return numbers

    @cached_property
    def _rows(self) -> Sequence[tuple[str, Path, int | None]]:
        return self._rows_of(self._numbers)

    @property
    def _notes(self) -> tuple[str, ...]:
        return (*self._beside(self._numbers), *(() if self.classes_file else _other_numbers(self._numbers)))


def _other_numbers(numbers: Mapping[str, int]) -> tuple[str, ...]:
    """A note where the names of the folders have numbers of their own, and not these."""
    if all(re.fullmatch(r"n\d{8}", name) for name in numbers):
        known = imagenet_classes()
        moved = [name for name, number in numbers.items() if known.get(name, number) != number]
        advice = "for a model of ImageNet's 1000 classes use the reader `imagenet`"
    elif all(name.isdecimal() and name.isascii() for name in numbers):
        known = {name: int(name) for name in numbers}
        moved = [name for name, number in numbers.items() if known[name] != number]
        advice = "if names are class indices, list all classes in a `classes_file`"
    else:
        return ()
    if not moved:
        return ()
    return (f"the class folder {moved[0]} is class {numbers[moved[0]]} here, in sorted order, "
            f"and not {known[moved[0]]}; {advice}",)  # fmt: skip


@dataset("imagenet")
@dataclass(frozen=True, config=CONFIG)
class ImageNet(_ClassFolders):
    """ImageNet's validation layout, whole or in part: `root/WNID/PICTURE`, classes numbered as in ImageNet-1k."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The WordNet ids of all 1000, whichever have pictures here."""
        return tuple(imagenet_classes())

    @cached_property
    def _rows(self) -> Sequence[tuple[str, Path, int | None]]:
        index = imagenet_classes()
        if not self._folders.keys() & index.keys():
            raise DataError(f"{self.root} holds no folder named by a WordNet id of ImageNet-1k (n01440764 ...)")
        return self._rows_of(index)

    @property
    def _notes(self) -> tuple[str, ...]:
        index = imagenet_classes()
        other = [self.root / name for name in self._folders if name not in index]
        return (*self._beside(index), *told({"folders of no class of ImageNet-1k": other}, self.root))


@cache
def imagenet_classes() -> dict[str, int]:
    """WordNet id to class index 0..999, in sorted order as in ImageNet-1k; from timm's data, without loading timm."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("timm is not installed; its list of ImageNet's WordNet ids is needed")
    file = Path(spec.submodule_search_locations[0]) / "data" / "_info" / "imagenet_synsets.txt"
    return {wnid: number for number, wnid in enumerate(file.read_text(encoding="ascii").split())}


@dataset("photos")
@dataclass(frozen=True, config=CONFIG)
class Photos(_Labelled):
    """Pictures without labels, in one folder and the folders below it."""

    @cached_property
    def _found(self) -> Found:
        return find(checked_root(self.root), deep=True)

    @cached_property
    def _rows(self) -> Sequence[tuple[str, Path, int | None]]:
        return [(id_of(file.relative_to(self.root)), file, None) for file in self._found.pictures]

    @property
    def _notes(self) -> tuple[str, ...]:
        return told(self._found.left_out, self.root)


@dataset("csv")
@dataclass(frozen=True, config=CONFIG)
class CsvLabels(_Labelled):
    """A table with a path and a label a row, beside the pictures; `split` keeps the rows of one split.

    Paths lie below the root, also where links lead. A row without a path, but with a reason in a column `error`, as
    `qbench degrade` writes it, is a sample that cannot be read."""

    file: str = "labels.csv"
    split: str | None = None
    path_column: str = "file"
    label_column: str = "class_index"
    split_column: str = "split"
    id_column: str | None = Field(default=None, description="Column of the samples' ids. Default: the paths.")
    name: str | None = Field(default=None)

    @property
    def label(self) -> str:
        return self.name or id_of(self.root.name)

    @cached_property
    def _table(self) -> Sequence[tuple[Place, Mapping[str, str]]]:
        """The rows of the split."""
        table = checked_root(self.root) / self.file
        if not table.is_file():
            raise DataError(f"{table} does not exist; `file` names the table below the root")
        wanted = [self.path_column, self.label_column, *([self.split_column] if self.split else [])]
        rows = table_of(table, [*wanted, *([self.id_column] if self.id_column else [])])
        splits = {row[self.split_column].strip() for _, row in rows} if self.split else set()
        if self.split and self.split not in splits:
            raise DataError(f"{table} has no split {self.split!r}{nearest(self.split, splits)}")
        return [(place, row) for place, row in rows if not self.split or row[self.split_column].strip() == self.split]

    @cached_property
    def _rows(self) -> Sequence[tuple[str, Path, int | None]]:
        inside = Inside(self.root)
        return [
            (row[self.id_column or self.path_column], self._path(inside, place, row), self._target(place, row))
            for place, row in self._table
        ]

    def load(self, index: int) -> Sample:
        """Raises BadSample, for a row without a picture with the row's own reason."""
        _, row = self._table[index]
        if _is_lost(row, self.path_column):
            raise BadSample(row["error"])
        return super().load(index)

    def _path(self, inside: Inside, place: Place, row: Mapping[str, str]) -> Path:
        if not row[self.path_column].strip() and not _is_lost(row, self.path_column):
            raise DataError(f"no path in column {self.path_column!r}", place=place)
        return inside.file(self.root, row[self.path_column], place)

    def _target(self, place: Place, row: Mapping[str, str]) -> int | None:
        text = row[self.label_column]
        if _is_lost(row, self.path_column):
            return None
        digits = text.strip()
        if not digits.isdecimal():
            raise DataError(f"{self.label_column} must be a class index, not {text!r}", place=place)
        if len(digits) > len(str(LARGEST_LABEL)) or int(digits) > LARGEST_LABEL:
            bound = f"{self.label_column} must be a class index from 0 to {LARGEST_LABEL:,}"
            raise DataError(f"{bound}, not {digits[:24]}", place=place)
        return int(digits)


def _is_lost(row: Mapping[str, str], path_column: str) -> bool:
    """Whether it is of a sample that `qbench degrade` could not read."""
    return not row[path_column] and bool(row.get("error"))
