"""What `qbench store` tells, and what it may remove."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from qbench.runs.claims import beating
from tests.corpus.case import Said, here, suite


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A store with two runs: one of a clean cell, and one of that and of another."""
    for name, conditions in (("one", "clean"), ("two", "clean, {jpeg: {quality: 7}}")):
        file = suite(tmp_path, conditions=conditions)
        said = here(["run", str(file), "--out", name, "--store", "store", "--device", "cpu"], tmp_path)
        assert said.code == 0, said.err
    return tmp_path


def asked(folder: Path, *words: str) -> Said:
    return here(["store", *words, "--store", "store"], folder)


def records(folder: Path) -> list[Path]:
    return sorted((folder / "store" / "records").glob("*/*/*.parquet"))


def test_status_tells_which_run_uses_what(shared: Path) -> None:
    said = asked(shared, "status").out
    assert "in 2 files of 2 cells" in said
    assert f"run {shared / 'one'}: 1 of 1 cells of suite broken" in said
    assert f"run {shared / 'two'}: 2 of 2 cells of suite broken" in said
    shutil.rmtree(shared / "two")
    assert (
        "run " + str(shared / "two") + ": 2 of 2 cells of suite broken, whose folder was moved or deleted"
        in asked(shared, "status").out
    )


def test_check_lists_every_damaged_file(shared: Path) -> None:
    assert asked(shared, "check").code == 0
    one, two = records(shared)
    one.write_bytes(one.read_bytes()[:-9])
    two.rename(two.with_name("000000-0.parquet"))
    said = asked(shared, "check")
    assert said.code == 3
    assert f"{one} is damaged: it was cut short" in said.err
    assert "not what its name says" in said.err
    assert "2 of them damaged" in said.out


def test_clean_frees_what_no_run_uses_and_nothing_else(shared: Path) -> None:
    assert asked(shared, "clean").out == "nothing to free\n"
    before = records(shared)
    shutil.rmtree(shared / "two")
    said = asked(shared, "clean")
    assert "records that no known run uses: 1 files" in said.out
    assert "--yes frees it" in said.out
    assert records(shared) == before
    assert asked(shared, "clean", "--yes").code == 0
    (left,) = records(shared)
    key = json.loads((shared / "one" / "run.json").read_text())["cells"][0]["cell"]["key"]
    assert left.parent.name == key
    assert here(["report", "one"], shared).code == 0
    assert asked(shared, "clean").out == "nothing to free\n"


@pytest.mark.parametrize("text", ["", '{"schema_version": 99}'])
def test_clean_removes_nothing_while_it_is_not_known_what_a_run_uses(shared: Path, text: str) -> None:
    before = records(shared)
    one, two = sorted((shared / "store" / "runs").iterdir())
    two.write_text(text)
    said = asked(shared, "clean", "--yes")
    assert (said.code, records(shared)) == (3, before)
    assert f"{two} " in said.err
    assert "what its run uses is not known" in said.err
    two.unlink()
    assert asked(shared, "clean").code == 0
    assert one.exists()


def test_clean_finds_what_was_set_aside_and_tells_what_it_cannot_remove(shared: Path) -> None:
    root = shared / "store"
    full = records(shared)[0].with_name("000000-0.parquet.damaged")
    for folder in (full, root / "records" / "zz.damaged", root / "records.damaged"):
        folder.mkdir()
    (full / "mine").write_text("")
    said = asked(shared, "clean", "--yes")
    assert said.code == 3
    assert f"{full} stays" in said.err
    assert [path.name for path in root.rglob("*.damaged*")] == [full.name]


def test_clean_keeps_what_a_live_runner_has_claimed(shared: Path) -> None:
    shutil.rmtree(shared / "one")
    shutil.rmtree(shared / "two")
    one, two = records(shared)
    with beating(shared / "store") as runner:
        runner.take(one.with_name("000002-ab.parquet"))
        dead = two.with_name(".000002-ab.claim.1")
        dead.write_text("gone-1-0")
        half = two.with_name(f".000002-cd.parquet.{'0' * 32}")
        half.write_bytes(b"half")
        old = time.time() - 1000
        os.utime(half, (old, old))
        assert asked(shared, "clean", "--yes").code == 0
        assert one.exists()
        assert not two.exists()
        assert not dead.exists()
        assert not half.exists()


def test_a_folder_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for verb in ("status", "check", "clean"):
        said = asked(tmp_path, verb)
        assert said.code == 3
        assert "store is no store: it holds no store.json; name another --store" in said.err
    assert not list((tmp_path / "store").iterdir())
