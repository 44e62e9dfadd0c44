"""Run directories that cannot be used, and commands on folders that hold no run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, Said, here, plugin, run
from tests.corpus.kind_4_store import WORDS, copied, whole


def beside(make: Callable[[Path], object], name: str = "run") -> Callable[[Path], Arguments]:
    """A run into a folder in which something lies before."""

    def arguments(folder: Path) -> Arguments:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make(folder / name)
        return run(folder, **WORDS)

    return arguments


def into_an_export(folder: Path) -> Arguments:
    here(["report", str(whole()), "--export", str(folder / "run")], folder)
    return run(folder, **WORDS)


def export_is_whole(folder: Path, said: Said) -> None:
    assert here(["report", str(folder / "run")], folder).code == 0


def kept(file: Path) -> None:
    assert file.read_text() == "kept"


def fails_where_no_traceback_fits(folder: Path) -> Arguments:
    text = (
        'import qbench\n@qbench.method("corpus-9-fails", site="image")\nclass Fails:\n    """Fails."""\n'
        "    def restore(self, images, context):\n        raise ValueError('as it must')\n"
    )
    (folder / "run").mkdir()
    (folder / "run" / "errors").write_text("")
    return run(folder, "--plugin", plugin(folder, "corpus_9_fails", text), methods="corpus-9-fails")


CASES = [
    Case("a file for a run", beside(Path.touch), "--out {}/run is a file; name a folder", 3),
    Case(
        "a run below a file",
        lambda folder: ((folder / "mine").write_text("kept"), [*run(folder)[:3], "mine/x", "--device", "cpu"])[1],
        "{}/mine, above --out mine/x, is a file; name a folder",
        3,
        lambda folder, _: kept(folder / "mine"),
    ),
    Case("a pipe for a run", beside(os.mkfifo), "--out {}/run is no folder; name a folder", 3),
    Case("a link to nothing for a run", beside(lambda r: r.symlink_to("x")), "--out {}/run is no folder", 3),
    Case(
        "a run where nothing can be written",
        lambda folder: [*run(folder)[:3], "/proc/qbench", "--device", "cpu"],
        "/proc/qbench cannot be written into: No such file or directory; choose another --out",
        3,
    ),
    Case(
        "a store where nothing can be written",
        lambda folder: [*run(folder)[:4], "--store", "/proc/qbench", "--device", "cpu"],
        "/proc/qbench/store.json cannot be written",
        3,
    ),
    Case("a file for a store", lambda folder: [*run(folder)[:4], "--store", folder / "suite.yaml"], "is a file", 3),
    Case("a run into an export", into_an_export, "{}/run is an export of a run", 3, export_is_whole),
    Case(
        "records of others",
        beside(Path.touch, "run/records/music.ogg"),
        "{}/run/records holds files that qbench did not write; choose another --out",
        3,
    ),
    Case(
        "a file for the report's folder",
        beside(Path.touch, "run/report"),
        "move away what stands in its place, or choose another --out",
        3,
    ),
    Case("a file for the folder of errors", fails_where_no_traceback_fits, "{}/run/errors/", 3),
    Case("a report of a folder without a run", lambda folder: ["report", folder], "{} is no run directory", 3),
    Case("a report of nothing", lambda folder: ["report", folder / "none"], "{}/none is no run directory", 3),
    Case(
        "a report of a file",
        lambda folder: ["report", whole() / "run.json"],
        "run.json is damaged: it stands where a folder is to be",
        3,
    ),
    Case(
        "a report into a file",
        lambda folder: ["report", whole(), "--out", whole() / "run.json"],
        "move away what stands in its place, or choose another --out",
        3,
    ),
    Case(
        "an export into the run itself",
        lambda folder: ["report", copied(folder, lambda _: None), "--export", folder / "run"],
        "--export {}/run is the folder of a run; name another one",
        3,
    ),
]
