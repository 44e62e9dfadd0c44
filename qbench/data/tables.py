"""Text files beside pictures: tables, lists and JSON, with the place of each fault, and the paths that they name."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qbench.data.files import MOST, id_of
from qbench.errors import DataError, Place, foreign, nearest


def text_of(file: Path) -> str:
    """The text of a file, without the byte order mark that spreadsheets write. Raises DataError, with the place of what
    is no UTF-8."""
    with foreign(f"{file} cannot be read", DataError):
        if file.exists() and not file.is_file():
            raise DataError(f"{file} cannot be read: it is no file")
        if (size := file.stat().st_size) > MOST:
            raise DataError(f"{file} cannot be read: it has {size:,} bytes; at most {MOST:,} are read")
        content = file.read_bytes()
    try:
        text, end = content.decode("utf-8-sig"), content.find(b"\0")
    except UnicodeDecodeError as error:
        text, end = "", error.start
    if end >= 0:
        place = Place(file, content.count(b"\n", 0, end) + 1, end - content.rfind(b"\n", 0, end))
        raise DataError(f"the byte {content[end]} is no UTF-8 text; save {file.name} as UTF-8", place=place)
    return text


def lines_of(file: Path) -> Iterator[tuple[Place, str]]:
    """The lines of a list that hold something, without the space around them, each with its place."""
    for number, line in enumerate(text_of(file).splitlines(), start=1):
        if line.strip():
            yield Place(file, number, 1), line.strip()


def table_of(file: Path, columns: Sequence[str]) -> list[tuple[Place, dict[str, str]]]:
    """The rows of a CSV file with a header, each with its place and its cells by column.

    Raises DataError at the line where `columns` are missing, and where a row has more cells than the header."""
    records = _records(file)
    place, header = next(records, (Place(file, 1, 1), []))
    for column in columns:
        if column not in header:
            text = f"{file.name} has no column {column!r}{nearest(column, header)}, but {', '.join(header) or 'none'}"
            text += "" if len(header) > 1 else "; commas part the columns"
            raise DataError(text, place=place)
        if header.count(column) > 1:
            raise DataError(f"the column {column!r} is there {header.count(column)} times; keep one", place=place)
    rows = []
    for place, cells in records:
        if any(cells[len(header) :]):
            text = f"{len(cells)} cells in a row of {len(header)} columns; put a cell that holds a comma into quotes"
            raise DataError(text, place=place)
        row = dict(zip(header, cells, strict=False))
        for column in columns:
            if column not in row:
                text = f"nothing in column {column!r}: {len(cells)} cells in a row of {len(header)} columns"
                raise DataError(text, place=place)
        rows.append((place, row))
    return rows


def _records(file: Path) -> Iterator[tuple[Place, list[str]]]:
    """The rows of a CSV file that are not empty, with the places where they begin."""
    reader = csv.reader(io.StringIO(text_of(file), newline=""), strict=True)
    while True:
        place = Place(file, reader.line_num + 1, 1)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"not a CSV table from this row on: {error}", place=place) from None
        if cells is None:
            return
        if cells:
            yield place, cells


def json_of(file: Path) -> Any:
    """What a JSON file holds. Raises DataError, with the place where its text breaks off."""
    text = text_of(file)
    with foreign(f"{file} cannot be read as JSON", DataError):
        try:
            return json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON: {error.msg}", place=Place(file, error.lineno, error.colno)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        double = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"the key {double!r} is there twice in one object; keep one")
    return content


def read_classes(file: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names in order and ignored values. A line whose first word is `#` is a remark.

    Raises DataError for what is neither JSON of them nor a name a line."""
    if file.suffix.lower() != ".json":
        return tuple(line for _, line in lines_of(file) if line.split()[0] != "#"), ()
    content = json_of(file)
    if not isinstance(content, dict):
        content = {"classes": content}
    names, ignored = content.get("classes"), content.get("ignore_index", [])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{file} holds no list of class names; write one, or an object with `classes`")
    ignored = ignored if isinstance(ignored, list) else [ignored]
    if not all(type(value) is int and 0 <= value <= 255 for value in ignored):
        raise DataError(f"{file}: `ignore_index` must be a value from 0 to 255, or a list of such")
    return tuple(map(id_of, names)), tuple(ignored)


class Inside:
    """Paths that tables name: they lie below a root, also where links lead."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real = Path(os.path.realpath(root))
        self._folders: dict[Path, Path] = {}
        """Where the folders lie that links lead to, each looked up once."""

    def file(self, base: Path, name: str, place: Place | None = None, source: str = "") -> Path:
        """`base / name`. Raises DataError for a path that leaves the root, at `place` or in the words of `source`."""
        said = f"{source or place}: " if source or place else ""
        if "\0" in name:
            raise DataError(f"{said}the path {name!r} holds a zero byte")
        file = base / name
        with foreign(f"{said}{name!r} cannot be a path", DataError):
            inside = self._place_of(file).is_relative_to(self._real)
        if not inside:
            raise DataError(f"{said}{name!r} lies outside of the root {self._root}; a table names files below it")
        return file

    def _place_of(self, file: Path) -> Path:
        if file.name in {"", ".."} or file.is_symlink():
            return Path(os.path.realpath(file))
        if file.parent not in self._folders:
            self._folders[file.parent] = Path(os.path.realpath(file.parent))
        return self._folders[file.parent] / file.name
