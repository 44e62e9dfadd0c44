"""`qbench preview` and `qbench degrade`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from tests.cli.test_cli import qbench


def test_preview_writes_a_sheet(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = qbench("preview", "--condition", "jpeg: {quality: [25, 7]}", "--out", out, "--tile", 64, "--crop", 64)
    assert done.returncode == 0, done.stderr
    assert "2 tiles of test/000000, 64x64 pixels" in done.stdout
    with Pillow.open(out) as picture:
        assert picture.size == (3 * 72 + 8, 64 + 30 + 2 * 8)


def test_degrade_writes_a_copy_for_each_value_and_tells_what_it_could_not_read(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (50, 60, 3)).astype(np.uint8)
        Pillow.fromarray(noise).save(source / f"{number}.png")
    (source / "1.png").write_bytes(b"cut")
    command = ("degrade", source, tmp_path / "out", "--condition", "jpeg: {quality: [25, 7]}")
    done = qbench(*command)
    assert done.returncode == 1
    assert "2 of 3 pictures, jpeg@7" in done.stdout
    assert "not read: 1.png" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["jpeg@25", "jpeg@7"]
    assert {p.name for p in (tmp_path / "out" / "jpeg@7").iterdir()} == {
        "0.png",
        "2.png",
        "labels.csv",
        "manifest.json",
    }
    other = qbench(*command, "--seed", 1)
    assert other.returncode == 2
    assert "another copy" in other.stderr


def test_errors_of_both_are_one_line(tmp_path: Path) -> None:
    for arguments, said in [
        (("preview",), "name what to show"),
        (("preview", "--condition", "jpeg: {quality: 101}"), "1..100, not 101"),
        (("preview", tmp_path / "none.png", "--condition", "clean"), "none.png"),
        (("preview", "--condition", "clean", "--out", tmp_path / "a.xyz"), "xyz"),
        (("degrade", tmp_path / "none", tmp_path / "out", "--condition", "clean"), "none"),
        (("degrade", "scenes", tmp_path / "out", "--condition", "clean", "--resize", 90), "--crop"),
    ]:
        done = qbench(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert done.stderr.startswith("error: ")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
