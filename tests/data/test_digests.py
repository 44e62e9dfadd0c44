"""Digests that are kept between runs: never believed of a file that changed, and no help is no harm."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qbench.data.files import contents, manifest_of
from qbench.data.readers import Photos
from qbench.storage import files
from qbench.storage.digests import remembered
from qbench.storage.files import SETTLED
from qbench.storage.sealed import open_sealed, write_sealed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and a clock that says that all files were written long ago."""
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("time.time_ns", lambda: int((time.time() + 3600) * 1e9))
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.png").write_bytes(name.encode() * 100)
    return folder


def straight(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()


def asked(root: Path, *names: str) -> tuple[list[str], list[str]]:
    """The digests of files, and which of them were read for it."""
    read: list[str] = []

    def digest_of(file: Path) -> str:
        read.append(file.name)
        return straight(file)

    with remembered(root, digest_of) as of:
        return [of(root / name) for name in names], read


def kept(home: Path) -> Path:
    (file,) = (home / "digests").iterdir()
    return file


def test_a_file_that_lies_as_it_lay_is_read_once(root: Path) -> None:
    first, read = asked(root, "a.png", "b.png")
    again, read_again = asked(root, "a.png", "b.png", "c.png")
    assert (read, read_again) == (["a.png", "b.png"], ["c.png"])
    assert again == [straight(root / name) for name in ("a.png", "b.png", "c.png")] == [*first, again[2]]


def test_a_manifest_is_the_same_with_and_without_what_is_kept(root: Path, home: Path) -> None:
    fresh = Photos(root).manifest()
    assert kept(home).is_file()
    assert Photos(root).manifest() == fresh
    assert [one.partition(":")[0] for one in fresh.digests] == [straight(root / f"{name}.png") for name in "abc"]


def same_size_later(file: Path) -> None:
    file.write_bytes(b"z" * 100)


def same_time_longer(file: Path) -> None:
    facts = file.stat()
    file.write_bytes(b"z" * 101)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def touched_back(file: Path) -> None:
    facts = file.stat()
    time.sleep(0.05)  # longer than a tick of the file system's clock
    file.write_bytes(b"z" * 100)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert file.stat().st_mtime_ns == facts.st_mtime_ns


def another_in_its_place(file: Path) -> None:
    facts = file.stat()
    other = file.with_name("other")
    other.write_bytes(b"z" * 100)
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(file)


def a_link_in_its_place(file: Path) -> None:
    target = file.parent.parent / "elsewhere"
    target.write_bytes(b"z" * 100)
    file.unlink()
    file.symlink_to(target)


@pytest.mark.parametrize(
    "change", [same_size_later, same_time_longer, touched_back, another_in_its_place, a_link_in_its_place]
)
def test_a_changed_file_is_found(root: Path, change: Callable[[Path], None]) -> None:
    asked(root, "a.png", "b.png")
    change(root / "a.png")
    found, read = asked(root, "a.png", "b.png")
    assert read == ["a.png"]
    assert found == [straight(root / "a.png"), straight(root / "b.png")]


def test_a_file_that_is_gone_or_a_folder_now_is_unreadable(root: Path) -> None:
    with contents(root) as content_of:
        assert content_of(root / "a.png") == straight(root / "a.png")
    (root / "a.png").unlink()
    (root / "b.png").unlink()
    (root / "b.png").mkdir()
    with contents(root) as content_of:
        assert content_of(root / "a.png") == content_of(root / "b.png") == "unreadable"
        assert content_of(root / "nul\0.png") == content_of(root / "\ud800.png") == "unreadable"


@pytest.mark.parametrize(("age", "is_kept"), [(0, False), (SETTLED - 1, False), (SETTLED, True), (-(10**12), False)])
def test_a_file_that_changed_just_now_is_read_again(
    root: Path, age: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change once more within one tick of a coarse clock: same size, same times."""
    facts = (root / "a.png").stat()
    monkeypatch.setattr("time.time_ns", lambda: max(facts.st_mtime_ns, facts.st_ctime_ns) + age)
    asked(root, "a.png")
    assert asked(root, "a.png")[1] == ([] if is_kept else ["a.png"])


def test_a_file_that_changes_while_it_is_read_is_read_again(root: Path) -> None:
    def slow(file: Path) -> str:
        found = straight(file)
        same_size_later(file)
        return found

    with remembered(root, slow) as of:
        of(root / "a.png")
    assert asked(root, "a.png") == ([straight(root / "a.png")], ["a.png"])


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)


def no_parquet(file: Path) -> None:
    file.write_text("PAR1 no digests here PAR1")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def without_digests(file: Path) -> None:
    sealed = open_sealed(file)
    write_sealed(file, sealed.read(["path", "size"]), sealed.facts)


def of_another_version(file: Path) -> None:
    sealed = open_sealed(file)
    table = sealed.read()
    lies = table.set_column(table.column_names.index("digest"), "digest", [["0" * 32] * table.num_rows])
    write_sealed(file, lies, {**sealed.facts, "digests": "0"})


def of_another_root(file: Path) -> None:
    sealed = open_sealed(file)
    write_sealed(file, sealed.read(), {**sealed.facts, "root": "/elsewhere"})


@pytest.mark.parametrize(
    "damage", [cut, flipped, no_parquet, empty, without_digests, of_another_version, of_another_root]
)
def test_what_is_damaged_is_not_believed_and_made_anew(root: Path, home: Path, damage: Callable[[Path], None]) -> None:
    names = ["a.png", "b.png", "c.png"]
    expected, _ = asked(root, *names)
    damage(kept(home))
    assert asked(root, *names) == (expected, names)
    assert asked(root, *names) == (expected, [])


def test_no_byte_that_is_changed_changes_a_digest(root: Path, home: Path) -> None:
    names = ["a.png", "b.png", "c.png"]
    expected, _ = asked(root, *names)
    content = kept(home).read_bytes()
    for at in range(0, len(content), 7):
        kept(home).write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        assert asked(root, *names) == (expected, names)


def a_file(home: Path, patch: pytest.MonkeyPatch) -> None:
    home.rename(home.with_name("before"))
    home.write_text("no folder")


def a_folder_in_the_way(home: Path, patch: pytest.MonkeyPatch) -> None:
    file = kept(home)
    file.unlink()
    file.mkdir()


def no_home_at_all(home: Path, patch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    patch.delenv("QBENCH_HOME")
    patch.setattr(Path, "home", nowhere)


def nothing_can_be_written(home: Path, patch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    kept(home).unlink()
    patch.setattr(Path, "write_bytes", refused)


@pytest.mark.parametrize("trouble", [a_file, a_folder_in_the_way, no_home_at_all, nothing_can_be_written])
def test_without_a_home_to_write_into_all_is_read_and_nothing_said(
    root: Path,
    home: Path,
    trouble: Callable[[Path, pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    expected, _ = asked(root, "a.png", "b.png")
    trouble(home, monkeypatch)
    for _ in range(2):
        assert asked(root, "a.png", "b.png") == (expected, ["a.png", "b.png"])
    assert capfd.readouterr() == ("", "")


def test_files_that_are_gone_leave_and_others_of_the_root_stay(root: Path, home: Path) -> None:
    asked(root, "a.png", "b.png")
    (root / "a.png").unlink()
    asked(root, "c.png")
    names = {Path(os.fsdecode(path)).name for path in open_sealed(kept(home)).read(["path"])["path"].to_pylist()}
    assert names == {"b.png", "c.png"}


def test_roots_and_homes_are_apart(root: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    (other / "pictures").mkdir(parents=True)
    (other / "pictures" / "a.png").write_bytes(b"q" * 100)
    for here in (tmp_path, other):
        monkeypatch.chdir(here)
        assert asked(Path("pictures"), "a.png") == ([straight(here / "pictures" / "a.png")], ["a.png"])
    assert len(list((home / "digests").iterdir())) == 2


def test_names_that_are_no_utf8_are_kept(root: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    (root / name).write_bytes(b"name")
    asked(root, name)
    assert asked(root, name) == ([straight(root / name)], [])


def _plan(root: str, part: int, out: str) -> None:
    for _ in range(10):
        names = [f"{i}.png" for i in range(part, part + 20)]
        with contents(Path(root)) as content_of:
            found = [content_of(Path(root) / name) for name in names]
        if found != [straight(Path(root) / name) for name in names]:
            Path(out).write_text("wrong")


def test_two_processes_at_once_are_safe(root: Path, home: Path, tmp_path: Path) -> None:
    for i in range(40):
        (root / f"{i}.png").write_bytes(str(i).encode())
        os.utime(root / f"{i}.png", (1, 1))
    files.SETTLED, before = -(10**12), files.SETTLED
    try:
        context = multiprocessing.get_context("fork")
        both = [context.Process(target=_plan, args=(str(root), part, str(tmp_path / "wrong"))) for part in (0, 20)]
        for process in both:
            process.start()
        for process in both:
            process.join(60)
    finally:
        files.SETTLED = before
    assert [process.exitcode for process in both] == [0, 0]
    assert not (tmp_path / "wrong").exists()
    assert len(open_sealed(kept(home)).read(["path"])) >= 20


def test_rows_may_have_several_files(root: Path) -> None:
    made = manifest_of([("one", root / "a.png", root / "b.png", "said")], root, root)
    assert made.digests == (f"{straight(root / 'a.png')}:{straight(root / 'b.png')}:said",)
