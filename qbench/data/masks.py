"""Pictures with a mask each, on disk: the reader `masks`, and what readers of published layouts share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from qbench.data.mask_values import Meaning, decode_mask
from qbench.data.readers import SUFFIXES, checked_root, content_of, decode, manifest_of, pictures
from qbench.errors import BadSample, DataError, Place, nearest
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample

CONFIG = ConfigDict(extra="forbid")
LOSSY = {".jpg", ".jpeg"}
Value = Annotated[int, Field(ge=0, le=255)]


@plain_dataclass(frozen=True)
class Row:
    """A sample: its id, its picture and its mask, and what it belongs to."""

    id: str
    image: Path
    mask: Path
    group: str | None = None


@dataclass(frozen=True, config=CONFIG)
class MaskedPictures:
    """Samples of pictures and masks; a reader says which (`_rows`) and what the masks' values stand for."""

    root: Path
    name: str | None = Field(default=None, kw_only=True, description="Its name in tables. Default: the root's.")

    @property
    def label(self) -> str:
        return self.name or self.root.name

    @cached_property
    def _rows(self) -> list[Row]:
        raise NotImplementedError

    @cached_property
    def _meaning(self) -> Meaning:
        raise NotImplementedError

    def manifest(self) -> Manifest:
        """Ids, and digests of both files' bytes, of what the masks' values stand for and of groups."""
        meant = self._meaning
        facts = f"{meant.table}{sorted(meant.known)}"
        return manifest_of(
            ((r.id, r.image, f"{content_of(r.mask)}:{facts}{_marked(r)}") for r in self._rows), str(self.root)
        )

    def load(self, index: int) -> Sample:
        """Raises BadSample for a picture or mask that cannot be read, or where the two differ in size."""
        row = self._rows[index]
        image, stored = decode(row.image), decode_mask(row.mask)
        if image.shape[:2] != stored.shape:
            sizes = f"{stored.shape[1]}x{stored.shape[0]}, its picture {image.shape[1]}x{image.shape[0]}"
            raise BadSample(f"{row.mask.name} is {sizes}")
        try:
            return Sample(row.id, image, self._meaning.read(stored), row.group)
        except ValueError as error:
            raise BadSample(f"{row.mask.name} cannot be read as a mask: {error}") from None


@dataset("masks", whole=("ignore",))
@dataclass(frozen=True, config=CONFIG)
class Masks(MaskedPictures):
    """Pictures and masks of class indices: two folders with files of the same stem, or a list of pairs.

    A mask holds class k as `first + k`; 255, values below `first` and those in `ignore` are ignored. With a file of
    class names, any other value makes a sample unreadable. Pictures without a mask are unreadable samples."""

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
    group: re.Pattern[str] | None = Field(
        default=None,
        description="A regular expression; what its first group finds in an id names the video or patient it is of.",
    )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in order, without ignored ones at the end; empty where no file gives them."""
        names, ignored = self._names, self._ignored
        while names and self.first + len(names) - 1 in ignored:
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
        return Meaning.counted(self.first, self._ignored, len(self.classes) if self.classes_file else None)

    @cached_property
    def _rows(self) -> list[Row]:
        root = checked_root(self.root)
        if self.pairs is not None:
            rows = read_pairs(root, root / self.pairs)
        else:
            rows = paired_by_stem(_folder(root, self.images), _folder(root, self.masks), self.mask_suffix)
        return [replace(row, group=self._group_of(row.id)) for row in rows]

    def _group_of(self, sample: str) -> str | None:
        match = self.group.search(sample) if self.group else None
        return match[1] if match else None

    @field_validator("group")
    @classmethod
    def _finds_a_part(cls, group: re.Pattern[str] | None) -> re.Pattern[str] | None:
        if group is not None and not group.groups:
            raise ValueError("put the part of the id that names the group in brackets, such as `([^/]+)_`")
        return group


def _marked(row: Row) -> str:
    return f":group {row.group}" if row.group else ""


def _folder(root: Path, name: str) -> Path:
    if not (root / name).is_dir():
        folders = [path.name for path in root.iterdir() if path.is_dir()]
        raise DataError(f"{root} holds no folder {name!r}{nearest(name, folders)}; name it, or give a list as `pairs`")
    return root / name


def paired_by_stem(images: Path, masks: Path, suffix: str = "") -> list[Row]:
    """Every picture below `images` with the mask at the same place below `masks`, whatever the kinds of file.

    Ids are the pictures' paths below `images`. Raises DataError where no picture has a mask or one has two."""
    stems: dict[Path, list[Path]] = {}
    for file in pictures(masks, deep=True):
        if file.suffix.lower() not in LOSSY:
            stems.setdefault(file.relative_to(masks).with_suffix(""), []).append(file)
    rows, with_mask = [], 0
    for file in pictures(images, deep=True):
        if images == masks and suffix and file.stem.endswith(suffix):
            continue
        place = file.relative_to(images)
        place = place.with_name(place.stem + suffix)
        fitting = stems.get(place, [])
        if len(fitting) > 1:
            raise DataError(f"{file} has two masks: {fitting[0]} and {fitting[1]}; keep one")
        with_mask += len(fitting)
        rows.append(Row(file.relative_to(images).as_posix(), file, fitting[0] if fitting else masks / f"{place}.png"))
    if rows and not with_mask:
        kinds = " ".join(sorted(SUFFIXES - LOSSY))
        raise DataError(
            f"no picture in {images} has a mask in {masks}: {rows[0].mask} and so on ({kinds}) are not there"
        )
    return rows


def read_pairs(root: Path, file: Path) -> list[Row]:
    """`picture mask` a line, below the root, apart by spaces or one tab; the picture's path is the id. A line whose
    first word is `#` is a remark.

    Raises DataError at the line that is not such a pair."""
    rows = []
    for number, line in enumerate(text_of(file).splitlines(), start=1):
        parts = line.split("\t") if "\t" in line else line.split()
        if not parts or line.split()[0] == "#":
            continue
        if len(parts) != 2:
            raise DataError(f"expected a picture and its mask, found {len(parts)} words", place=Place(file, number, 1))
        rows.append(Row(parts[0], root / parts[0], root / parts[1]))
    return rows


def read_classes(file: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names in order and ignored values. Raises DataError for what is neither JSON of them nor a name a line."""
    text = text_of(file)
    if file.suffix.lower() != ".json":
        return tuple(line.strip() for line in text.splitlines() if line.strip()), ()
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error.msg}", place=Place(file, error.lineno, error.colno)) from None
    if not isinstance(content, dict):
        content = {"classes": content}
    names, ignored = content.get("classes"), content.get("ignore_index", [])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{file} holds no list of class names; write one, or an object with `classes`")
    ignored = ignored if isinstance(ignored, list) else [ignored]
    if not all(isinstance(value, int) and 0 <= value <= 255 for value in ignored):
        raise DataError(f"{file}: `ignore_index` must be a value from 0 to 255, or a list of such")
    return tuple(names), tuple(ignored)


def text_of(file: Path) -> str:
    """The text of a file, without a byte order mark. Raises DataError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as UTF-8 text: {error}") from None
