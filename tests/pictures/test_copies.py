"""Degraded copies on disk and contact sheets."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import qbench
from qbench.data.decoding import decode
from qbench.data.readers import CsvLabels
from qbench.data.views import View
from qbench.degrade.chain import condition_from
from qbench.documents import inline
from qbench.draws import Draw
from qbench.errors import BadSample, DataError, SuiteError
from qbench.pictures import copies, sheet
from qbench.pictures.copies import Copy, write_copy
from qbench.registry.named import Named
from qbench.storage.files import write_bytes
from qbench.suite.conditions import conditions_of
from tests.conftest import PLUGIN

TWICE = Named(name="rejpeg", params={"times": 2})


def tree(root: Path) -> Path:
    """Noise pictures of odd sizes in two folders, in several formats, with a file that is no picture."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("a/one.png", "a/two.jpg", "b/deep/three.bmp", "b/four.webp")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (40 + number, 51 - number, 3)).astype(np.uint8)
        Pillow.fromarray(noise).save(root / name)
    (root / "notes.txt").write_text("no picture")
    return root


def photos(root: Path, folder: Path, **more: object) -> Copy:
    return Copy(Named(name="photos", params={"root": str(root)}), TWICE, folder, **more)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_picture_keeps_its_place_and_is_what_the_condition_makes_of_it(tmp_path: Path) -> None:
    root = tree(tmp_path / "in")
    rows = write_copy(photos(root, tmp_path / "out", seed=5))
    assert [row["id"] for row in rows] == ["a/one.png", "a/two.jpg", "b/deep/three.bmp", "b/four.webp"]
    for row in rows:
        expected, facts = condition_from({"rejpeg": {"times": 2}}).apply(decode(root / row["id"]), Draw(5, row["id"]))
        file = tmp_path / "out" / row["file"]
        assert np.array_equal(decode(file), expected)
        assert json.loads(row["facts"]) == json.loads(json.dumps(facts))
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (int(row["height"]), int(row["width"])) == expected.shape[:2]
    with (tmp_path / "out" / "labels.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream)) == rows


def test_workers_and_a_resume_leave_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = Named(name="scenes", params={"count": 70})
    whole = tmp_path / "whole"
    write_copy(Copy(scenes, TWICE, whole))
    write_copy(Copy(scenes, TWICE, tmp_path / "two"), workers=2)
    written = 0

    def stop_after(file: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written > 40:
            raise KeyboardInterrupt
        write_bytes(file, content)

    monkeypatch.setattr(copies, "write_bytes", stop_after)
    with pytest.raises(KeyboardInterrupt):
        write_copy(Copy(scenes, TWICE, tmp_path / "resumed"))
    assert not (tmp_path / "resumed" / "labels.csv").exists()
    written = 0
    calls = iter(range(1000))
    monkeypatch.setattr(copies, "write_bytes", lambda file, content: (next(calls), write_bytes(file, content)))
    partial = tmp_path / "resumed" / copies.PARTIAL
    partial.write_text(partial.read_text() + '{"id": "test/0000')
    write_copy(Copy(scenes, TWICE, tmp_path / "resumed"))
    assert next(calls) == 70 - 32
    assert contents(whole) == contents(tmp_path / "two") == contents(tmp_path / "resumed")


def test_a_lost_picture_is_written_again(tmp_path: Path) -> None:
    copy = photos(tree(tmp_path / "in"), tmp_path / "out")
    write_copy(copy)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "a" / "two.png").unlink()
    write_copy(copy)
    assert contents(tmp_path / "out") == before


def test_an_unreadable_picture_has_an_error_and_no_file(tmp_path: Path) -> None:
    root = tree(tmp_path / "in")
    (root / "a" / "two.jpg").write_bytes(b"no picture")
    rows = {row["id"]: row for row in write_copy(photos(root, tmp_path / "out"))}
    assert "cannot be read as an image" in rows["a/two.jpg"]["error"]
    assert rows["a/two.jpg"]["file"] == ""
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_a_suite_knows_what_a_copy_could_not_read(tmp_path: Path) -> None:
    root = tree(tmp_path / "in")
    (root / "a" / "two.jpg").write_bytes(b"no picture")
    notes: list[str] = []
    copy = Copy(Named(name="imagefolder", params={"root": str(root)}), TWICE, tmp_path / "out")
    rows = write_copy(copy, tell=notes.append)
    assert notes == ["left out are pictures in folders further below: 1, such as b/deep/three.bmp"]
    data = CsvLabels(tmp_path / "out", id_column="id")
    assert data.manifest().ids == tuple(row["id"] for row in rows) == ("a/one.png", "a/two.jpg", "b/four.webp")
    assert [data.load(i).target for i in (0, 2)] == [0, 1]
    with pytest.raises(BadSample, match=r"two\.jpg cannot be read as an image"):
        data.load(1)


@pytest.mark.parametrize("damage", ["picture", "table", "row", "log", "shape"])
def test_a_damaged_copy_is_mended(tmp_path: Path, damage: str) -> None:
    copy = photos(tree(tmp_path / "in"), tmp_path / "out")
    write_copy(copy)
    before = contents(tmp_path / "out")
    table, log = tmp_path / "out" / "labels.csv", tmp_path / "out" / copies.PARTIAL
    if damage == "picture":
        file = tmp_path / "out" / "a" / "two.png"
        file.write_bytes(file.read_bytes()[:50])
    elif damage == "table":
        table.write_bytes(b"\xff\xfe" + table.read_bytes())
    elif damage == "row":
        table.write_text(table.read_text().replace("a/one.png", "../one.png").replace(",", "", 1))
    elif damage == "log":
        table.unlink()
        log.write_bytes(b"[" * 100_000 + b'\n\xff\n3\n{"id": 7}\n')
    else:
        table.write_text("id\n3\n")
    write_copy(copy)
    assert contents(tmp_path / "out") == before


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    root = tree(tmp_path / "in")
    with pytest.raises(DataError, match="not empty"):
        write_copy(photos(root / "a", root))
    write_copy(photos(root, tmp_path / "out"))
    for changed in ({"seed": 1}, {"view": View(None, 32)}, {"limit": 2}):
        with pytest.raises(DataError, match="another copy"):
            write_copy(photos(root, tmp_path / "out", **changed))
    Pillow.new("RGB", (40, 40)).save(root / "a" / "one.jpg")
    with pytest.raises(DataError, match=r"both be written as a/one\.png"):
        write_copy(photos(root, tmp_path / "new"))


def test_a_suite_gives_the_same_records_on_the_copy_and_on_the_fly(tmp_path: Path) -> None:
    """What other tools see in the copy is what a suite's model sees."""
    data = {"name": "scenes", "count": 9}
    write_copy(Copy(Named(name="scenes", params={"count": 9}), TWICE, tmp_path / "copy", seed=3, view=View(80, 64)))
    read = CsvLabels(root=tmp_path / "copy", id_column="id")
    assert read.manifest().ids == tuple(f"test/{i:06d}" for i in range(9))
    assert read.load(4).id == "test/000004"
    base = {"suite": "copy", "seed": 3, "plugins": []}
    task = {"models": ["toy"], "methods": ["direct"]}
    qbench.registry.load_file(PLUGIN)
    fly = qbench.run(
        {**base, "tasks": [{**task, "dataset": data, "conditions": [{"rejpeg": {"times": 2}}]}]},
        out=tmp_path / "fly", device="cpu",
    )  # fmt: skip
    copied = {"name": "csv", "root": str(tmp_path / "copy"), "id_column": "id"}
    disk = qbench.run(
        {**base, "tasks": [{**task, "dataset": copied, "view": {"resize": None}, "conditions": ["clean"]}]},
        out=tmp_path / "disk", device="cpu",
    )  # fmt: skip
    one, other = fly.records(), disk.records()
    assert len(one) == 9
    for column in set(one.columns) - {"facts", "bpp", "condition", "dataset"}:
        assert all(np.array_equal(a, b) for a, b in zip(one[column], other[column], strict=True)), column
    assert {"rank", "target"} <= set(one.columns)


def test_a_sheet_has_the_pictures_in_their_places() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(2))
    paper = np.asarray(
        sheet.sheet([[sheet.Tile(first, "a", "")], [sheet.Tile(first, "a", ""), sheet.Tile(second, "b", "")]], 64)
    )
    gap, line = sheet.GAP, 2 * sheet.LINE
    assert np.array_equal(paper[gap : gap + 64, gap : gap + 64], first)
    top, left = 2 * gap + 64 + line, 2 * gap + 64
    assert np.array_equal(paper[top : top + 64, left : left + 64], second)


def test_psnr_is_its_definition() -> None:
    clean = np.full((8, 8, 3), 100, np.uint8)
    assert sheet.psnr(clean, clean) == float("inf")
    assert sheet.psnr(clean, clean + np.uint8(5)) == pytest.approx(20 * np.log10(255 / 5))


def test_a_tile_tells_its_rate() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    tile = sheet.tile(condition_from({"jpeg": {"quality": 9}}), "jpeg@9", image, Draw(0, "x"))
    assert " dB · " in tile.caption
    assert " bpp" in tile.caption


def test_conditions_of_the_command_line_and_of_a_suite(toy: Callable[..., Path]) -> None:
    assert [built.label for _, built in inline.conditions("jpeg: {quality: [25, 7]}")] == ["jpeg@25", "jpeg@7"]
    rows = conditions_of(toy())
    assert [[built.label for _, built in row] for row in rows] == [["jpeg@25", "jpeg@7"], ["rejpeg×2", "rejpeg×3"]]
    for text, said in [
        ("jpeg: {quality: 0}", "1..100, not 0"),
        ("jpeg: {quality 0", "not valid YAML"),
        (f"jpeg: {'[' * 60_000}", "too deeply"),
        ("{jpeg: {quality: 3}, clean: {}}", "expected one name"),
        ("jpeg: {quality: []}", "a list is empty"),
    ]:
        with pytest.raises(SuiteError, match=said):
            inline.conditions(text)
