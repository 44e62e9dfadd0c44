"""Pictures with a mask each, on disk: the reader `masks`, and what readers of published layouts share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG, OnDisk, exif_hint, size_of
from qbench.data.files import SUFFIXES, checked_root, find, folder_of, id_of, joined, manifest_of, told
from qbench.data.mask_values import IGNORED, Meaning, decode_mask
from qbench.data.tables import Inside, lines_of, read_classes
from qbench.errors import BadSample, DataError
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample

LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif"}
Value = Annotated[int, Field(ge=0, le=255)]


@plain_dataclass(frozen=True)
class Row:
    """A sample: its id, its picture and its mask, and what it belongs to."""

    id: str
    image: Path
    mask: Path
    group: str | None = None


@plain_dataclass(frozen=True)
class Paired:
    """Samples, and what a user should know of how they were found."""

    rows: Sequence[Row]
    notes: tuple[str, ...] = ()


LONGEST_ID, LONGEST_PATTERN, MOST_REPEATS = 255, 200, 4
"""What `group` may be and is searched in, so that no suite searches for hours."""


@dataclass(frozen=True, config=CONFIG)
class MaskedPictures(OnDisk):
    """Samples of pictures and masks; a reader says which (`_paired`) and what the masks' values stand for."""

    name: str | None = Field(default=None, kw_only=True, description="Its name in tables. Default: the root's.")

    @property
    def label(self) -> str:
        return self.name or id_of(self.root.name)

    @cached_property
    def _paired(self) -> Paired:
        raise NotImplementedError

    @cached_property
    def _meaning(self) -> Meaning:
        raise NotImplementedError

    def manifest(self) -> Manifest:
        """Ids, and digests of both files' bytes, of what the masks' values stand for and of groups."""
        meant = self._meaning
        facts = f"{meant.table}{sorted(meant.known)}"
        rows = ((r.id, r.image, r.mask, f"{facts}{_marked(r)}") for r in self._paired.rows)
        return self.turned(manifest_of(rows, self.root, self.root, self._paired.notes))

    def load(self, index: int) -> Sample:
        """Raises BadSample for a picture or mask that cannot be read, or where the two differ in size."""
        row = self._paired.rows[index]
        image, stored = self.decoded(row.image), decode_mask(row.mask, self.orientation)
        if image.shape[:2] != stored.shape:
            sizes = f"{stored.shape[1]}x{stored.shape[0]}, its picture {size_of(image)}"
            raise BadSample(f"{row.mask.name} is {sizes}{exif_hint(self.orientation, row.image, row.mask)}")
        try:
            return Sample(row.id, image, self._meaning.read(stored), row.group)
        except ValueError as error:
            raise BadSample(f"{row.mask.name} cannot be read as a mask: {error}") from None


@dataset("masks", whole=("ignore", "values"))
@dataclass(frozen=True, config=CONFIG)
class Masks(MaskedPictures):
    """Pictures and masks of class indices: two folders with files of the same stem, or a list of pairs.

    A mask holds class k as `first + k`, or as the value of that place in `values`. 255, unless it is in `values`,
    values below `first` and those in `ignore` are ignored. With `values` or a file of class names, any other value
    makes a sample unreadable. Pictures without a mask are unreadable samples."""

    images: str = Field(default="images", description="Folder of pictures below the root, searched through.")
    masks: str = Field(default="masks", description="Folder of masks below the root, laid out as the pictures.")
    mask_suffix: str = Field(default="", description="What a mask's stem has after its picture's.")
    pairs: str | None = Field(default=None, description="A text file below the root: a picture and its mask a line.")
    classes_file: str | None = Field(
        default=None,
        description="JSON below the root: a list of names, or `classes` and perhaps `ignore_index`; or a name a line.",
    )
    ignore: Value | tuple[Value, ...] = Field(default=(), description="Stored values that are ignored, besides 255.")
    first: Value = Field(default=0, description="The stored value of class 0.")
    values: tuple[Value, ...] = Field(
        default=(), description="The stored values of classes 0, 1 and so on, as [0, 255]; instead of `first`."
    )
    group: re.Pattern[str] | None = Field(
        default=None,
        description="A regular expression; what its first group finds in an id names the video or patient it is of.",
    )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in order, without ignored ones at the end; empty where no file gives them."""
        names, ignored = self._names, self._ignored
        while names and not self.values and self.first + len(names) - 1 in ignored:
            names = names[:-1]
        return names

    @cached_property
    def _named(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        return read_classes(checked_root(self.root) / self.classes_file) if self.classes_file else ((), ())

    @property
    def _names(self) -> tuple[str, ...]:
        return self._named[0]

    @property
    def _ignored(self) -> tuple[int, ...]:
        given = (self.ignore,) if isinstance(self.ignore, int) else self.ignore
        return (*given, *self._named[1])

    @cached_property
    def _meaning(self) -> Meaning:
        if self.values:
            if self.classes and len(self.classes) != len(self.values):
                sizes = f"{len(self.values)} classes, but {self.classes_file} names {len(self.classes)}"
                raise DataError(f"`values` lists stored values of {sizes}")
            return Meaning.listed(self.values, self._ignored)
        return Meaning.counted(self.first, self._ignored, len(self.classes) if self.classes_file else None)

    @cached_property
    def _paired(self) -> Paired:
        root = checked_root(self.root)
        if self.pairs is not None:
            found = read_pairs(root, root / self.pairs)
        else:
            images, masks = (folder_of(root, name, "give a list as `pairs`") for name in (self.images, self.masks))
            found = paired_by_stem(images, masks, self.mask_suffix)
        return replace(found, rows=[replace(row, group=self._group_of(row.id)) for row in found.rows])

    def manifest(self) -> Manifest:
        """Ids and digests. Raises DataError, also for masks that hold a single class beside 255, or none."""
        manifest = super().manifest()
        self._check_classes()
        return manifest

    def _check_classes(self) -> None:
        """Where all masks are of one class and of 255, 255 is the other class: ignored, it would be hidden, and a model
        that never finds it would get the best score. The search ends with the second class."""
        seen: set[int] = set()
        found: set[int] = set()
        for row in self._paired.rows if not self.values else ():
            with suppress(BadSample):
                seen |= set(np.unique(decode_mask(row.mask, self.orientation)).tolist())
            found = {self._meaning.table[value] for value in seen} - {IGNORED}
            if len(found) > 1:
                return
        text = " and ".join(map(str, sorted(seen)))
        if seen and not found and seen != {IGNORED}:
            raise DataError(
                f"all masks of {self.root} hold {text} alone, and these are ignored; see `first` and `ignore`"
            )
        if IGNORED in seen:
            raise DataError(
                f"all masks of {self.root} hold {text} alone, and 255 is ignored, so that one class at most is left; "
                "if 255 is a class, list what masks hold in the order of the classes, as `values: [0, 255]`"
            )

    def _group_of(self, sample: str) -> str | None:
        if self.group is None:
            return None
        if len(sample) > LONGEST_ID:
            raise DataError(f"`group` is searched in ids of {LONGEST_ID} characters at most, not in {sample[:60]!r}...")
        match = self.group.search(sample)
        return match[1] if match else None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.values and (self.first or len(set(self.values)) < len(self.values)):
            raise ValueError("`values` lists the stored value of each class once, and takes the place of `first`")
        return self

    @field_validator("group")
    @classmethod
    def _finds_a_part(cls, group: re.Pattern[str] | None) -> re.Pattern[str] | None:
        if group is not None and not group.groups:
            raise ValueError("put the part of the id that names the group in brackets, such as `([^/]+)_`")
        if group is not None and not _is_quick(group.pattern):
            raise ValueError(
                f"it may search for very long: {MOST_REPEATS} of `*`, `+`, `?` and `{{}}` at most, none of them after "
                f"a bracket that closes, and {LONGEST_PATTERN} characters"
            )
        return group


def _is_quick(pattern: str) -> bool:
    """Whether a search takes a number of steps that is a small power of the id's length, as where few single characters
    are repeated; repeated brackets may take exponentially many."""
    single = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern, flags=re.DOTALL)
    repeats = re.findall(r"(?<!\()[*+?{]", single)
    return len(pattern) <= LONGEST_PATTERN and len(repeats) <= MOST_REPEATS and not re.search(r"\)[*+?{]", single)


def _marked(row: Row) -> str:
    return f":group {row.group}" if row.group else ""


def paired_by_stem(images: Path, masks: Path, suffix: str = "") -> Paired:
    """Every picture below `images` with the mask at the same place below `masks`, whatever the kinds of file.

    Ids are the pictures' paths below `images`. Raises DataError where no picture has a mask or one has two."""
    stems: dict[Path, list[Path]] = {}
    found, found_masks = find(images, deep=True), find(masks, deep=True)
    lossy = [file for file in found_masks.pictures if file.suffix.lower() in LOSSY]
    for file in found_masks.pictures:
        if file.suffix.lower() not in LOSSY:
            stems.setdefault(file.relative_to(masks).with_suffix(""), []).append(file)
    rows, used = [], set()
    for file in found.pictures:
        if images == masks and suffix and file.stem.endswith(suffix):
            continue
        place = file.relative_to(images)
        place = place.with_name(place.stem + suffix)
        fitting = stems.get(place, [])
        if len(fitting) > 1:
            raise DataError(f"{file} has two masks: {fitting[0]} and {fitting[1]}; keep one")
        used |= set(fitting)
        rows.append(Row(id_of(file.relative_to(images)), file, fitting[0] if fitting else masks / f"{place}.png"))
    if rows and not used:
        kinds = " ".join(sorted(SUFFIXES - LOSSY))
        raise DataError(
            f"no picture in {images} has a mask in {masks}: {rows[0].mask} and so on ({kinds}) are not there"
        )
    left = [found.left_out]
    if images != masks:
        alone = [file for files in stems.values() for file in files if file not in used]
        left += [found_masks.left_out, {"masks without a picture": alone, "JPEG files, which are no masks": lossy}]
    return Paired(rows, told(joined(left), images.parent))


def read_pairs(root: Path, file: Path) -> Paired:
    """`picture mask` a line, below the root, apart by spaces or one tab; the picture's path is the id. A line whose
    first word is `#` is a remark.

    Raises DataError at the line that is not such a pair."""
    rows, inside = [], Inside(root)
    for place, line in lines_of(file):
        parts = line.split("\t") if "\t" in line else line.split()
        if line.split()[0] == "#":
            continue
        if len(parts) != 2:
            raise DataError(f"expected a picture and its mask, found {len(parts)} words", place=place)
        image, mask = (inside.file(root, part, place) for part in parts)
        rows.append(Row(parts[0], image, mask))
    return Paired(rows)
