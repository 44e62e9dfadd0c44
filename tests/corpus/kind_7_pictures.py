"""Pictures of more pixels than there is memory for, and files that have no end."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.corpus.case import Arguments, Case, here, picture
from tests.corpus.kind_5_readers import checked, copied


def thin(folder: Path, *options: str, size: tuple[int, int] = (1_000_000, 1)) -> Arguments:
    """A picture of one row, or of one column."""
    (folder / "d").mkdir()
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(folder / "d" / "thin.png")
    return copied(folder, "photos: {root: ROOT}", *options)


def large(folder: Path, name: str = "d/large.png", size: tuple[int, int] = (14_000, 13_000)) -> Path:
    """A PNG that says it has 182 million pixels, and holds none."""
    head = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return folder / name


def endless(folder: Path, name: str) -> Path:
    """A pipe that nobody writes into."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / name)
    return folder / name


def sparse(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("wb") as stream:
        stream.truncate(4 << 40)


def begun(folder: Path) -> Path:
    """A copy whose table is lost, and where something else lies in the place of its log."""
    here(["degrade", str(folder / "d"), str(folder / "copy"), "--condition", "clean", "--workers", "1"], folder)
    (folder / "copy" / "labels.csv").unlink()
    (folder / "copy" / "a.png").unlink()
    endless(folder, "copy/rows.partial.jsonl")
    return folder / "d"


VIEW = ("--resize", "256", "--crop", "224")
CASES = [
    Case("a picture of one row", lambda folder: thin(folder, *VIEW), "1 of 1 pictures", code=0),
    Case(
        "a picture of one column",
        lambda folder: thin(folder, *VIEW, size=(1, 1_000_000)),
        "1 of 1 pictures",
        code=0,
    ),
    Case(
        "a view of more pixels than are computed",
        lambda folder: thin(folder, "--resize", "9000", "--crop", "9000", size=(100, 1)),
        "its view would have 9000x9000 pixels, more than 67,108,864; give it a smaller `resize` or `crop`",
        code=1,
    ),
    Case(
        "a picture of 182 million pixels",
        lambda folder: (large(folder), copied(folder, "photos: {root: ROOT}"))[1],
        "large.png cannot be read as an image: it has more than 178,956,970 pixels, the most that are read; cut it up",
        code=1,
    ),
    Case(
        "a mask of 182 million pixels",
        lambda folder: (
            picture(folder / "d" / "images" / "a.png"),
            large(folder, "d/masks/a.png"),
            copied(folder, "masks: {root: ROOT}"),
        )[2],
        "a.png cannot be read as a mask: it has more than 178,956,970 pixels",
        code=1,
    ),
    Case(
        "a pipe that is called a picture",
        lambda folder: (endless(folder, "d/a.png"), copied(folder, "photos: {root: ROOT}"))[1],
        "a.png cannot be read as an image: it is a device or a pipe",
        code=1,
    ),
    Case(
        "a pipe that is called a table",
        lambda folder: (endless(folder, "d/labels.csv"), checked(folder, "{name: csv, root: ROOT}"))[1],
        "d/labels.csv does not exist; `file` names the table below the root",
    ),
    Case(
        "a picture of terabytes",
        lambda folder: (sparse(folder, "d/a.png"), copied(folder, "photos: {root: ROOT}"))[1],
        "a.png cannot be read as an image: it has 4,398,046,511,104 bytes; at most 2,147,483,648 are read",
        code=1,
    ),
    Case(
        "a table of terabytes",
        lambda folder: (sparse(folder, "d/labels.csv"), checked(folder, "{name: csv, root: ROOT}"))[1],
        "d/labels.csv cannot be read: it has 4,398,046,511,104 bytes; at most 2,147,483,648 are read",
    ),
    Case(
        "a pipe for the rows of a copy",
        lambda folder: (
            picture(folder / "d" / "a.png"),
            ["degrade", begun(folder), folder / "copy", "--condition", "clean", "--workers", "1"],
        )[1],
        "copy/rows.partial.jsonl is no file, and the rows of the copy are to be written there; move it away",
    ),
    Case(
        "a picture smaller than its patches",
        lambda folder: (
            picture(folder / "d" / "a.png", (30, 20)),
            copied(folder, "patches: {root: ROOT, count: 1, size: 64}"),
        )[1],
        "a.png has 30x20 pixels, less than a patch of 64",
        code=1,
    ),
]
