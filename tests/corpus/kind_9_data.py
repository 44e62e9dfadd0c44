"""Damaged and strange files of data: each ends in a line, or is one sample that cannot be used."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.corpus.case import Arguments, Case, Said, picture, run
from tests.corpus.kind_5_readers import checked, coco, copied, files, voc

CLEAN = ("--condition", "clean")
NO_UTF_8 = os.fsdecode(b"caf\xe9.png")


def labels(folder: Path, text: str | bytes) -> Arguments:
    """A table of labels beside `0.png`."""
    root = files(folder, "0.png")
    (root / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return checked(folder, "{name: csv, root: ROOT}")


def annotations(folder: Path, text: str) -> Arguments:
    (folder / "d").mkdir()
    (folder / "d" / "annotations.json").write_text(text)
    return checked(folder, "{name: coco, root: ROOT}")


def classes(folder: Path, text: str) -> Arguments:
    root = files(folder, "images/0.png")
    (root / "masks").mkdir()
    Image.fromarray(np.eye(24, 32, dtype=np.uint8)).save(root / "masks" / "0.png")
    (root / "c.json").write_text(text)
    return checked(folder, "{name: masks, root: ROOT, classes_file: c.json}")


def damaged(folder: Path, name: str, content: bytes) -> Arguments:
    """A damaged picture beside a whole one."""
    (files(folder, "whole.png") / name).write_bytes(content)
    return copied(folder, "photos: {root: ROOT}")


def without_palette() -> bytes:
    """A PNG whose pixels are indices into a palette that is lost."""
    head = struct.pack(">IIBBBBB", 8, 8, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", head), (b"tRNS", bytes([255, 255, 255, 0])), (b"IDAT", zlib.compress(bytes(72))), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def avif() -> bytes:
    """An AVIF whose picture is overwritten by zeros."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "AVIF")
    data = buffer.getvalue()
    at = data.find(b"mdat") + 8
    return data[:at] + bytes(60) + data[at + 60 :]


def copy(folder: Path, file: str, text: str) -> Arguments:
    """A copy that was begun, in which a file holds `text`."""
    files(folder, "0.png")
    (folder / "copy").mkdir()
    (folder / "copy" / file).write_text(text)
    return copied(folder, "photos: {root: ROOT}")


def recorded(name: str) -> Callable[[Path, Said], None]:
    """Sees that a run has a record of this id, and that its report can be read."""

    def then(folder: Path, said: Said) -> None:
        from qbench.runs.run_info import read
        from qbench.runs.store import read_cell

        info = read(folder / "run")
        assert read_cell(folder / "run", info, info.cells[0].cell)["id"].tolist() == [name]

    return then


CASES = [
    Case(
        "a row that is too short",
        lambda folder: labels(folder, "class_index,file\n0,0.png\n1\n"),
        "d/labels.csv:3:1: nothing in column 'file': 1 cells in a row of 2 columns",
    ),
    Case(
        "a row that is too long",
        lambda folder: labels(folder, "file,class_index\na, b.png,0\n"),
        "d/labels.csv:2:1: 3 cells in a row of 2 columns; put a cell that holds a comma into quotes",
    ),
    Case(
        "a quote that is not closed",
        lambda folder: labels(folder, 'file,class_index\n0.png,0\n"1.png,1\n2.png,2\n'),
        "d/labels.csv:3:1: not a CSV table from this row on: unexpected end of data",
    ),
    Case(
        "a cell past the limit",
        lambda folder: labels(folder, "file,class_index\n" + "x" * 200_000 + ",0\n"),
        "d/labels.csv:2:1: not a CSV table from this row on: field larger than field limit (131072)",
    ),
    Case(
        "rows behind lines that are empty or broken",
        lambda folder: labels(folder, 'file,class_index\n\n"a\nb",0\n\nc,x\n'),
        "d/labels.csv:6:1: class_index must be a class index, not 'x'",
    ),
    Case(
        "a zero byte",
        lambda folder: labels(folder, "file,class_index\n0\0.png,0\n"),
        "d/labels.csv:2:2: the byte 0 is no UTF-8 text; save labels.csv as UTF-8",
    ),
    Case(
        "a table in Latin-1",
        lambda folder: labels(folder, "file,class_index\n0.png,0\ncafé.png,1\n".encode("latin-1")),
        "d/labels.csv:3:4: the byte 233 is no UTF-8 text; save labels.csv as UTF-8",
    ),
    Case(
        "a table in UTF-16",
        lambda folder: labels(folder, "file,class_index\n0.png,0\n".encode("utf-16")),
        "d/labels.csv:1:1: the byte 255 is no UTF-8 text",
    ),
    Case(
        "a table with a byte order mark",
        lambda folder: labels(folder, "\ufefffile,class_index\n0.png,0\n"),
        "is valid",
        code=0,
    ),
    Case(
        "a label that is no number",
        lambda folder: labels(folder, "file,class_index\n0.png,1.0\n"),
        "d/labels.csv:2:1: class_index must be a class index, not '1.0'",
    ),
    Case(
        "a label past what records hold",
        lambda folder: labels(folder, f"file,class_index\n0.png,{'9' * 5000}\n"),
        "d/labels.csv:2:1: class_index must be a class index from 0 to 2,147,483,647, not 999",
    ),
    Case(
        "a table that is split by semicolons",
        lambda folder: labels(folder, "file;class_index\n0.png;0\n"),
        "d/labels.csv:1:1: labels.csv has no column 'file', but file;class_index; commas part the columns",
    ),
    Case(
        "a column that is there twice",
        lambda folder: labels(folder, "file,file,class_index\n0.png,1.png,0\n"),
        "d/labels.csv:1:1: the column 'file' is there 2 times; keep one",
    ),
    Case("an empty table", lambda folder: labels(folder, ""), "d/labels.csv:1:1: labels.csv has no column 'file'"),
    Case(
        "JSON that is nested too deeply",
        lambda folder: annotations(folder, "[" * 100_000),
        "d/annotations.json cannot be read as JSON: RecursionError",
    ),
    Case(
        "JSON of another shape",
        lambda folder: annotations(folder, '{"images": {"a": 1}}'),
        "has no list of objects 'images'; it is not in COCO's format for boxes",
    ),
    Case(
        "JSON that breaks off",
        lambda folder: annotations(folder, '{"images":\n [1,'),
        "d/annotations.json:2:5: not JSON",
    ),
    Case(
        "classes that are nested too deeply",
        lambda folder: classes(folder, '{"classes": ' + "[" * 100_000),
        "d/c.json cannot be read as JSON: RecursionError",
    ),
    Case(
        "classes that are no names", lambda folder: classes(folder, "[1, 2]"), "d/c.json holds no list of class names"
    ),
    Case(
        "half a character in the name of a file",
        lambda folder: (coco(folder, image={"file_name": "\ud800.png"}), copied(folder, "coco: {root: ROOT}"))[1],
        "not read: \\ud800.png: \\ud800.png cannot be read as an image: UnicodeEncodeError",
        code=1,
    ),
    Case(
        "a zero byte in the name of a file",
        lambda folder: (coco(folder, image={"file_name": "a\0.png"}), checked(folder, "{name: coco, root: ROOT}"))[1],
        "d/annotations.json: images[0]: the path 'a\\x00.png' holds a zero byte",
    ),
    Case(
        "XML of an encoding that is unknown",
        lambda folder: voc(folder, "1 1 9 9", head="<?xml version='1.0' encoding='x-none'?>"),
        "not read: a: ",
        code=1,
    ),
    Case(
        "XML of an encoding of several bytes",
        lambda folder: voc(folder, "1 1 9 9", head="<?xml version='1.0' encoding='gb2312'?>"),
        "not read: a: a.xml cannot be read as an annotation: ValueError: multi-byte encodings are not supported",
        code=1,
    ),
    Case(
        "XML with entities of entities",
        lambda folder: voc(
            folder,
            "1 1 9 9",
            name="&j;",
            head="<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
            + "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghij", strict=True))
            + "]>",
        ),
        "a.xml cannot be read as an annotation: ValueError: it declares a document type, which annotations do not have",
        code=1,
    ),
    Case(
        "a name that is no UTF-8 runs and is reported",
        lambda folder: (
            files(folder, f"a/{NO_UTF_8}"),
            run(folder, dataset=f"{{name: imagefolder, root: {folder / 'd'}}}"),
        )[1],
        "written to",
        code=0,
        then=recorded("a/caf\\udce9.png"),
    ),
    Case(
        "a damaged picture whose name is no UTF-8",
        lambda folder: ((files(folder, "0.png") / NO_UTF_8).write_bytes(b""), copied(folder, "photos: {root: ROOT}"))[
            1
        ],
        "not read: caf\\udce9.png: caf\\udce9.png cannot be read as an image",
        code=1,
    ),
    Case(
        "a name of two lines in a note",
        lambda folder: (
            (files(folder, "0.png") / "two\nlines.heic").write_bytes(b""),
            checked(folder, "{name: photos, root: ROOT}"),
        )[1],
        "files of kinds that are not read: 1, such as two\\nlines.heic",
        code=0,
    ),
    Case(
        "a palette that is lost",
        lambda folder: damaged(folder, "lost.png", without_palette()),
        "not read: lost.png: lost.png cannot be read as an image: ",
        code=1,
    ),
    Case(
        "an AVIF that is overwritten",
        lambda folder: damaged(folder, "a.jpg", avif()),
        "not read: a.jpg: a.jpg cannot",
        code=1,
    ),
    Case(
        "boxes for a classifier",
        lambda folder: (coco(folder), run(folder, dataset=f"{{name: coco, root: {folder / 'd'}}}"))[1],
        "first: the target of sample 'a.png' is a Boxes; expected a class index from 0 on, or None",
        code=1,
    ),
    Case(
        "a copy whose description is damaged",
        lambda folder: copy(folder, "manifest.json", "{"),
        "copy/manifest.json:1:2: not JSON",
    ),
    Case(
        "a copy whose description is a list",
        lambda folder: copy(folder, "manifest.json", "[]"),
        "copy/manifest.json does not say what this copy is; name an empty or new folder",
    ),
    Case(
        "a copy into its own source",
        lambda folder: (picture(folder / "d" / "0.png"), ["degrade", folder / "d", folder / "d" / "q10", *CLEAN])[1],
        "{}/d/q10 lies inside of the source {}/d, and the copy would become part of it; name a folder beside it",
    ),
    Case(
        "a copy whose samples no condition takes",
        lambda folder: (
            picture(folder / "d" / "0.png", (90, 90)),
            picture(folder / "d" / "small.png", (4, 4)),
            ["degrade", folder / "d", folder / "copy", "--condition", "fog: {severity: 1}", "--workers", "1"],
        )[2],
        "not read: small.png: fog",
        code=1,
    ),
]
