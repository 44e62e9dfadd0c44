"""Inputs that ask for more memory or time than there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.corpus.case import Arguments, Case, run, suite, validate


def _suite(**words: str) -> Callable[[Path], Arguments]:
    return lambda folder: ["validate", suite(folder, **words)]


def _engine(settings: str) -> Callable[[Path], Arguments]:
    text = f"suite: s\nversion: 1\nchangelog: {{1: x}}\nengine: {{{settings}}}\n"
    return lambda folder: validate(folder, f"{text}tasks: [{{dataset: scenes, models: [x], conditions: [clean]}}]\n")


def _pipe(folder: Path) -> Arguments:
    os.mkfifo(folder / "suite.yaml")
    return ["validate", folder / "suite.yaml"]


def _large(folder: Path) -> Arguments:
    file = folder / "suite.yaml"
    with file.open("wb") as stream:
        stream.truncate(2 << 30)
    return ["validate", file]


def _card(changes: Sequence[tuple[str, str]]) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        from tests.conftest import ROOT

        text = (ROOT / "baselines" / "dncnn-small.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (folder / "card.yaml").write_text(text, encoding="utf-8")
        return ["train", folder / "card.yaml", "scenes", "--out", folder / "out"]

    return make


CASES = [
    Case(
        "aliases of aliases",
        lambda folder: validate(
            folder,
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
        ),
        "more than 100,000 values",
    ),
    Case(
        "a list of three million numbers",
        lambda folder: validate(folder, f"suite: s\nx: [{'1,' * 3_000_000}1]\n"),
        "more than 100,000 values",
    ),
    Case(
        "a text of ten million characters",
        lambda folder: validate(folder, f"suite: s\ntitle: {'x' * 10_000_000}\n"),
        "suite.yaml:2:1: a text of 10,000,000 characters; at most 100,000 are taken",
    ),
    Case(
        "a hundred thousand levels",
        lambda folder: validate(folder, f"suite: s\nx: {'[' * 100_000}{']' * 100_000}\n"),
        "suite.yaml:2:103: lists or mappings are nested too deeply, more than 100 levels",
    ),
    Case(
        "a hundred thousand mappings in one another",
        lambda folder: validate(folder, f"suite: s\nx: {'{a: ' * 100_000}1{'}' * 100_000}\n"),
        "nested too deeply, more than 100 levels",
    ),
    Case(
        "aliases in one another",
        lambda folder: validate(
            folder, "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2000))
        ),
        "suite.yaml:1:10: lists or mappings are nested too deeply, more than 100 levels",
    ),
    Case("a suite of two gigabytes", _large, "is too large for a file of YAML, more than 16 MiB"),
    Case(
        "zeros without end", lambda folder: ["validate", "/dev/zero"], "/dev/zero is a device; expected a file of YAML"
    ),
    Case("a pipe that nobody fills", _pipe, "suite.yaml is a pipe; expected a file of YAML"),
    Case(
        "a billion scenes",
        _suite(dataset="{name: scenes, count: 1000000000}"),
        "suite.yaml:6:29: 'count': input should be less than or equal to 1000000, not 1000000000",
    ),
    Case(
        "scenes of a million pixels a side",
        _suite(dataset="{name: scenes, count: 1, size: 1000000}"),
        "'size': input should be less than or equal to 4096, not 1000000",
    ),
    Case(
        "a view of a million pixels a side",
        _suite(more="    view: {resize: 1000000}\n"),
        "a view has 1 to 16,384 pixels a side, not 1000000",
    ),
    Case(
        "threads past all", _engine("threads: 1000000000000000000"), "less than or equal to 1024, not 10000000000000000"
    ),
    Case(
        "a batch past all",
        _engine("batch: 1000000000000000000"),
        "less than or equal to 65536, not 1000000000000000000",
    ),
    Case(
        "a whole number past 64 bits", _engine(f"shard: {10**30}"), f"whole numbers are at most 2^63 - 1, not {10**30}"
    ),
    Case(
        "a number of five thousand digits", _engine(f"batch: {'9' * 5000}"), "is no int: ValueError: Exceeds the limit"
    ),
    Case("a share that is no number", _engine("max_bad: .nan"), "suite.yaml:4:10: expected a finite number, not nan"),
    Case("an endless share", _engine("max_bad: .inf"), "suite.yaml:4:10: expected a finite number, not inf"),
    Case("a number past what floats hold", _engine("max_bad: 1e400"), "expected a finite number, not inf"),
    Case("workers past all", lambda folder: run(folder, "--workers", "1000000000"), "Invalid value for '--workers'"),
    Case(
        "a billion compressions", _suite(conditions="{rejpeg: {times: 1000000000}}"), "less than or equal to 100, not"
    ),
    Case(
        "a blur of a million pixels",
        _suite(conditions="{blur: {sigma: 1e6}}"),
        "less than or equal to 100, not 1000000",
    ),
    Case(
        "lists whose product is a million",
        _suite(conditions=f"{{webp: {{quality: {[*range(1, 101)]}, method: {[*range(7)] * 1500}}}}}"),
        "suite.yaml:6:5: the lists of the suite make 1,050,000 cells; at most 20,000 are taken: make several suites",
    ),
    Case("steps past all", _card([("steps: 3000", "steps: 1e30")]), "'steps': expected a whole number, not 1e+30"),
    Case(
        "a trillion steps",
        _card([("steps: 3000", "steps: 1000000000000")]),
        "less than or equal to 100000000, not 1000",
    ),
    Case("crops of a million pixels a side", _card([("size: 64}", "size: 1000000}")]), "equal to 4096, not 1000000"),
]
