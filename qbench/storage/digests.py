"""Digests of a dataset's files, kept between runs, so that a file that lies as it lay is not read again.

One record file for each root, below `$QBENCH_HOME/digests`. It is a help and no more: where there is no home, or one
that cannot be written into, or the file is damaged, everything is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from qbench.errors import StoreError, foreign
from qbench.storage.files import State, digest, settled, state_of
from qbench.storage.home import home
from qbench.storage.sealed import open_sealed, write_sealed

VERSION = "1"
Kept: TypeAlias = Mapping[str, tuple[State, str]]
"""By path, a file's state when it was read, and its digest."""
COLUMNS = ("path", "size", "mtime_ns", "ctime_ns", "inode", "digest")


@contextmanager
def remembered(root: Path, digest_of: Callable[[Path], str]) -> Iterator[Callable[[Path], str]]:
    """`digest_of`, called for those files alone that are not known as they are now. At the end new digests are kept.

    What `digest_of` raises passes, and is not remembered."""
    place = _place(root)
    known = _read(place, root)
    new: dict[str, tuple[State, str]] = {}

    def of(file: Path) -> str:
        name = os.fspath(file)
        state = state_of(file)
        before = known.get(name)
        if before is not None and before[0] == state:
            return before[1]
        is_settled = state is not None and settled(state)
        found = digest_of(file)
        if state is not None and is_settled and state == state_of(file):
            new[name] = state, found
        return found

    yield of
    if new and place is not None:
        _keep(place, root, new)


def _place(root: Path) -> Path | None:
    """Where a root's digests are kept; None where nothing can be. Paths are as the reader writes them, so that a root
    that is written in another way is another one."""
    try:
        return home() / "digests" / f"{digest([str(root), str(root.absolute())])}.parquet"
    except (StoreError, OSError):
        return None


def _facts(root: Path) -> dict[str, str]:
    return {"digests": VERSION, "root": str(root).encode("utf-8", "backslashreplace").decode()}


def _read(place: Path | None, root: Path) -> Kept:
    """What is kept; nothing where it is missing, damaged or of another version."""
    try:
        sealed = open_sealed(place) if place is not None else None
        if sealed is None or sealed.facts != _facts(root):
            return {}
        paths, *states, digests = (column.to_pylist() for column in sealed.read(COLUMNS))
    except (StoreError, OSError):
        return {}
    names = (path.decode("utf-8", "surrogatepass") for path in paths)
    return dict(zip(names, zip(zip(*states, strict=True), digests, strict=True), strict=True))


def _keep(place: Path, root: Path, new: Kept) -> None:
    """Add to what is kept by now, perhaps by another process, and leave out files that are gone."""
    import pyarrow as pa

    rows = {**{name: kept for name, kept in _read(place, root).items() if os.path.lexists(name)}, **new}
    paths = [name.encode("utf-8", "surrogatepass") for name in rows]
    columns = paths, *zip(*((*state, found) for state, found in rows.values()), strict=True)
    kinds = pa.binary(), pa.int64(), pa.int64(), pa.int64(), pa.uint64(), pa.string()
    with suppress(StoreError), foreign("digests cannot be kept", StoreError):
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        write_sealed(place, pa.table(arrays, names=COLUMNS), _facts(root))
