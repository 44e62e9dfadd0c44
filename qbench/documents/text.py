"""The text of a file that a user names: a plain file of UTF-8, not too large, of characters that YAML allows."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path

from qbench.errors import Place, SuiteError, foreign

LARGEST = 16 << 20
"""Bytes of a file; the largest card has some thousands."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_OTHER_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters and halves of characters: what no text of a suite or card may hold."""


def read_text(file: Path) -> str:
    """The text of `file`, without a byte order mark. Raises SuiteError; where it is about the content, with its place.

    Nothing is read but plain files: a pipe may never end."""
    with foreign(f"{file} cannot be read", SuiteError):
        data = _read(file)
    if len(data) > LARGEST:
        raise SuiteError(f"{file} is too large for a file of YAML, more than {LARGEST >> 20} MiB")
    if data.startswith(_OTHER_MARKS):
        raise SuiteError("the file is UTF-16 or UTF-32; save it as UTF-8", place=Place(file, 1, 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        problem = f"the byte 0x{data[error.start]:02x} is no UTF-8 text; save the file as UTF-8"
        raise SuiteError(problem, place=_place(file, before)) from None
    if (found := forbidden(text)) is not None:
        problem = f"the character {found.group()!a} cannot stand in a file of YAML"
        raise SuiteError(problem, place=_place(file, text[: found.start()]))
    return text


def forbidden(text: str) -> re.Match[str] | None:
    """The first character that no text of a file may hold."""
    return _FORBIDDEN.search(text)


def _read(file: Path) -> bytes:
    try:
        kind = stat.S_IFMT(file.stat().st_mode)
        if kind in _KINDS:
            raise SuiteError(f"{file} is {_KINDS[kind]}; expected a file of YAML")
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise SuiteError(f"{file} cannot be read: {error.strerror or error}") from None


def _place(file: Path, before: str) -> Place:
    """The place behind `before`."""
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
