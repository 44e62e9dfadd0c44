"""Which files of a folder are pictures, what is left out, and what a manifest says of them."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from qbench.errors import BadSample, DataError, foreign, nearest
from qbench.storage.digests import remembered
from qbench.vocabulary import Manifest

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff", ".gif",
    ".avif", ".jp2",
}  # fmt: skip
"""What names of pictures end in. Of a file with several frames the first is read."""
SYSTEM = {"__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information"}
"""Folders of systems and archives, in lower case, that are no data; nor is what starts with a dot."""
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|....ftyp(avif|heic|heix|mif1)"
    rb"|\0\0\0\x0cjP  |\0\0\0\x0cJXL |\xff\x0a|8BPS|DDS |\x76\x2f\x31\x01|#\?RADIANCE",
    re.DOTALL,
)
"""How files of pictures begin."""
NOT_READ, BELOW, LINKED = "files of kinds that are not read", "pictures in folders further below", "linked folders"
LOST = "links that lead nowhere"
MOST = 1 << 31
"""Bytes of the largest file that is read."""
LeftOut: TypeAlias = Mapping[str, Sequence[Path]]
"""By what they are, files and folders that a reader leaves out."""


@dataclass(frozen=True)
class Listing:
    """What lies in one folder, sorted; nothing that is hidden or of the system."""

    pictures: Sequence[Path]
    strange: Sequence[Path]
    """Files that look like pictures, and are not read."""
    folders: Sequence[Path]
    lost: Sequence[Path] = ()
    """Links that lead nowhere, and are not named as pictures are: what they led to may have been a folder."""


@dataclass(frozen=True)
class Found:
    """Pictures, sorted by path, and what was left out."""

    pictures: Sequence[Path]
    left_out: LeftOut


def listing(folder: Path) -> Listing:
    """What lies in a folder itself. Raises DataError where it cannot be listed."""
    pictures, strange, folders, lost = [], [], [], []
    with foreign(f"the folder {folder} cannot be listed", DataError), os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if hidden(entry.name):
                continue
            if path.is_dir() if entry.is_symlink() else entry.is_dir():
                folders.append(path)
            elif path.suffix.lower() in SUFFIXES:
                pictures.append(path)
            elif entry.is_symlink() and not path.exists():
                lost.append(path)
            elif _looks_like_a_picture(path):
                strange.append(path)
    return Listing(sorted(pictures), sorted(strange), sorted(folders), sorted(lost))


def find(folder: Path, *, deep: bool) -> Found:
    """The pictures of a folder; with `deep`, of all folders below it, but for linked ones. Raises DataError."""
    pictures: list[Path] = []
    left: dict[str, list[Path]] = {NOT_READ: [], BELOW: [], LINKED: [], LOST: []}
    waiting = [folder]
    while waiting:
        here = listing(waiting.pop())
        pictures += here.pictures
        left[NOT_READ] += here.strange
        left[LOST] += here.lost
        for below in here.folders:
            if deep and below.is_symlink():
                left[LINKED].append(below)
            elif deep:
                waiting.append(below)
            else:
                left[BELOW] += find(below, deep=True).pictures
    return Found(sorted(pictures), {what: sorted(paths) for what, paths in left.items()})


def pictures(folder: Path, *, deep: bool = False) -> list[Path]:
    """The picture files of a folder, sorted by path."""
    return list(find(folder, deep=deep).pictures)


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is an editor's, an archive's or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM


def _looks_like_a_picture(file: Path) -> bool:
    """By its suffix or by how it begins."""
    kind, _ = mimetypes.guess_type(file.name)
    if kind is not None and kind.startswith("image/"):
        return True
    if not file.is_file():
        return False
    with suppress(OSError), file.open("rb") as stream:
        return _PICTURE.match(stream.read(16)) is not None
    return False


def joined(parts: Iterable[LeftOut]) -> dict[str, list[Path]]:
    """What several parts leave out, together."""
    whole: dict[str, list[Path]] = {}
    for part in parts:
        for what, paths in part.items():
            whole.setdefault(what, []).extend(paths)
    return whole


def told(left_out: LeftOut, root: Path) -> tuple[str, ...]:
    """A note of what is left out, with counts and an example each; none where it is nothing."""
    parts = [f"{what}: {len(paths)}, such as {_named(paths[0], root)}" for what, paths in left_out.items() if paths]
    return (f"left out are {'; '.join(parts)}",) if parts else ()


def _named(path: Path, root: Path) -> str:
    name = id_of(path.relative_to(root) if path.is_relative_to(root) else path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def id_of(path: Path | str) -> str:
    """A path as a sample's id, with forward slashes; bytes that are no UTF-8 are written out, as `\\udcff`."""
    text = path.as_posix() if isinstance(path, Path) else path
    return text.encode("utf-8", "backslashreplace").decode()


def checked_root(root: Path) -> Path:
    """`root`, if it is a folder. Raises DataError otherwise."""
    if not root.is_dir():
        raise DataError(
            f"the dataset's root {root} is not a folder; check the path, or the variable that it comes from"
        )
    return root


def folder_of(root: Path, name: str, otherwise: str) -> Path:
    """The folder `name` below the root. Raises DataError with the nearest that there is, and what else may be given."""
    if not (root / name).is_dir():
        known = [folder.name for folder in listing(root).folders]
        raise DataError(f"{root} holds no folder {name!r}{nearest(name, known)}; name it, or {otherwise}")
    return root / name


def manifest_of(files: Iterable[tuple[Any, ...]], root: Path, source: Path, notes: Sequence[str] = ()) -> Manifest:
    """A manifest of rows: an id, a file, and what else belongs to it, more files or targets. A row's digest covers the
    bytes of its files and the text of the rest.

    Raises DataError for no rows or duplicate ids. A file that cannot be opened is left for `load` to report."""
    rows = list(files)
    if not rows:
        raise DataError("; ".join([f"{source} holds no samples", *notes]))
    doubles = [sample_id for sample_id, n in Counter(row[0] for row in rows).items() if n > 1]
    if doubles:
        raise DataError(
            f"{source} names sample {doubles[0]!r} twice ({len(doubles)} duplicate ids); ids must be unique"
        )
    with contents(root) as content_of:
        digests = tuple(
            ":".join(content_of(part) if isinstance(part, Path) else str(part) for part in row[1:]) for row in rows
        )
    return Manifest(tuple(row[0] for row in rows), digests, tuple(notes))


@contextmanager
def contents(root: Path) -> Iterator[Callable[[Path], str]]:
    """What gives the digest of a file's bytes, `unreadable` for one that cannot be opened. Files of a dataset's root
    that lie as they lay when they were last read are not read again."""

    def digest_of(file: Path) -> str:
        return hashlib.blake2b(bytes_of(file, "a file"), digest_size=16).hexdigest()

    with remembered(root, digest_of) as known:

        def content_of(file: Path) -> str:
            try:
                return known(file)
            except BadSample:
                return "unreadable"

        yield content_of


def bytes_of(file: Path, what: str) -> bytes:
    """The bytes of a file. Raises BadSample for one that cannot be read as `what`, in the same words wherever it lies;
    also for a device or a pipe, which may have no end."""
    text = f"{file.name} cannot be read as {what}"
    with foreign(text, BadSample):
        try:
            if file.exists() and not file.is_file():
                raise BadSample(f"{text}: it is a {'folder' if file.is_dir() else 'device or a pipe'}")
            if (size := file.stat().st_size) > MOST:
                raise BadSample(f"{text}: it has {size:,} bytes; at most {MOST:,} are read")
            return file.read_bytes()
        except OSError as error:
            raise BadSample(f"{text}: {error.strerror or type(error).__name__}") from None
