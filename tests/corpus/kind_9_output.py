"""Output that takes not every character or byte, and options and paths that no verb can use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conftest import ROOT
from tests.corpus.case import Arguments, Case, Said, suite

CLEAN = ("--condition", "clean")


def report(folder: Path) -> Arguments:
    """The tables of a stored run, which have dashes, daggers and signs that are not ASCII."""
    return ["report", ROOT / "reports" / "weather"]


def hostile(folder: Path) -> Arguments:
    """A suite's plan, with names of any script."""
    return ["plan", suite(folder, dataset="{name: scenes, count: 2, label: 中文 é}"), "--out", folder / "run"]


def given(*words: str | Path) -> Callable[[Path], Arguments]:
    """These arguments, in a folder that holds a file, a folder, a loop of links and a damaged run."""

    def make(folder: Path) -> Sequence[str | Path]:
        (folder / "file").write_text("here", encoding="utf-8")
        (folder / "bytes").write_bytes(b"\xff\xfe\x00")
        (folder / "empty").mkdir()
        (folder / "loop").symlink_to("loop")
        (folder / "damaged").mkdir()
        (folder / "damaged" / "run.json").write_text("{", encoding="utf-8")
        return words

    return make


def without_axis(*words: str) -> Callable[[Path], Arguments]:
    return lambda folder: ["report", ROOT / "reports" / "weather", "--out", folder / "out", *words]


def wrote_all_else(folder: Path, said: Said) -> None:
    assert sorted(file.name for file in (folder / "out").iterdir()) == [
        "README.md", "report.csv", "report.json", "report.tex",
    ]  # fmt: skip


def two_copies(folder: Path) -> Arguments:
    chains = [f"chain: {{label: '{label}', steps: [clean]}}" for label in ("..", "a b", "a/b", "x" * 500)]
    conditions = [word for text in chains for word in ("--condition", text)]
    return ["degrade", "scenes: {count: 1}", folder / "out", "--workers", "1", *conditions]


def lie_inside(folder: Path, said: Said) -> None:
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["out"], names
    assert sorted(file.name for file in (folder / "out").iterdir()) == ["a-b", "a-b-3", "copy-1", "x" * 80]


def without_run(folder: Path) -> Arguments:
    shutil.copytree(ROOT / "reports" / "weather", folder / "run")
    (folder / "out").write_text("here", encoding="utf-8")
    return ["report", folder / "run", "--out", folder / "out"]


CASES = [
    Case("ASCII alone", report, "by condition", 0, alone=True, env=(("PYTHONIOENCODING", "ascii"),)),
    Case("ASCII alone, strictly", hostile, "?? ?: 2 samples", 0, alone=True,
         env=(("PYTHONIOENCODING", "ascii:strict"),)),
    Case("a locale without characters", report, "by condition", 0, alone=True,
         env=(("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0"), ("TERM", "dumb"), ("COLUMNS", "1"))),
    Case("no verb", given("rum"), "No such command 'rum'. Did you mean 'run'?; `qbench --help` shows what it takes"),
    Case("no argument", given("run"), "Missing argument 'suite'; `qbench run --help` shows what it takes"),
    Case("an argument too many", given("validate", "a", "b"), "unexpected extra argument"),
    Case("an option that is not there", given("plan", "a", "--limits", "3"), "No such option: --limits"),
    Case("a number out of bounds", given("run", "a", "--limit", "0"), "greater than or equal to 1"),
    Case("a word for a number", given("run", "a", "--limit", "three"), "valid integer"),
    Case("a null byte in a path", given("report", "a\0b"), "embedded null byte"),
    Case("a folder for a suite", given("validate", "empty"), "empty is a folder; expected a file of YAML"),
    Case("a loop of links", given("plan", "loop"), "loop cannot be read: Too many levels of symbolic links"),
    Case("a path too long", given("plan", "x" * 5000), "File name too long"),
    Case("a file for a run", given("report", "file"), "file is damaged: it stands where a folder is to be", 3),
    Case("a damaged run", given("report", "damaged"), "damaged/run.json is damaged", 3),
    Case("a file for a folder of reports", without_run, "out/README.md cannot be written", 3),
    Case("a format that is not there", given("report", "damaged", "--format", "pdf"),
         "'pdf' is not one of terminal, md, tex, csv, json, png"),
    Case("a page that is not text", lambda folder: [*report(folder), "--check", *given("bytes")(folder)],
         "bytes cannot be compared"),
    Case("a page without an end", lambda folder: [*report(folder), "--check", "/dev/zero"],
         "/dev/zero cannot be compared: it is a device; give a Markdown page made by qbench report"),
    Case("a picture of nothing", without_axis("--format", "png"), "no picture: the report has no table over an axis"),
    Case("all formats of a report without a picture", without_axis(),
         "no picture: the report has no table over an axis, such as accuracy-by-quality", 0, wrote_all_else),
    Case("a picture to standard output", lambda folder: [*report(folder), "--format", "png"],
         "a picture cannot be printed; add --out FOLDER"),
    Case("a kind that is not there", given("list", "modles"), "unknown kind 'modles' (did you mean 'models'?)"),
    Case("a folder for a plug-in", given("list", "models", "--plugin", "empty"), "plugin file empty is not a file"),
    Case("a picture that is none", given("preview", "bytes", *CLEAN), "bytes cannot be read as an image"),
    Case("a format to read alone", given("preview", *CLEAN, "--out", "x.psd"), "no picture format ends in '.psd'"),
    Case("a sheet of terabytes", given("preview", *CLEAN, "--crop", "100000000"), "less than or equal to 16384"),
    Case("a sheet into a file", given("preview", *CLEAN, "--out", "file/x.png"), "file/x.png cannot be written", 3),
    Case("a copy into a file", given("degrade", "scenes: {count: 1}", "file", *CLEAN), "file", 3),
    Case("a copy into a loop of links", given("degrade", "scenes: {count: 1}", "loop", *CLEAN), "loop", 3),
    Case("a copy of no pictures", given("degrade", "empty", "out", *CLEAN), "empty holds no samples"),
    Case("a copy of a text too long", given("degrade", "x" * 5000, "out", *CLEAN), "unknown dataset"),
    Case("copies whose labels lead out", two_copies, "out/copy-1: 1 of 1 pictures, ..", 0, lie_inside),
    Case("a seed of the reference in fast mode",
         given("degrade", "scenes: {count: 1}", "out", "--condition", "fog: {severity: 1, numpy_seed: 1}"),
         "numpy_seed is for `mode: parity`"),
    Case("a file that is no checkpoint", given("convert", "bytes", "x.safetensors"), "checkpoint bytes cannot be read"),
    Case("weights of another suffix", given("convert", "bytes", "x.pth"), "x.pth should end in .safetensors"),
    Case("a card that is not there", given("train", "dncn"), "no card 'dncn' (did you mean 'dncnn'?)"),
    Case("threads past all bounds", given("train", "arcnn", "--threads", "1000000"), "less than or equal to 1024"),
]  # fmt: skip
