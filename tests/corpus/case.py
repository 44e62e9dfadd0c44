"""What a case of the corpus is, how it is run, and the small inputs that many cases break."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

Arguments = Sequence[str | Path]
SECONDS, BYTES = 60, 6 << 30
"""What a case in a process of its own may take: time, and memory that it asks for."""


@dataclass(frozen=True)
class Said:
    """What a command left with and printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Case:
    """One broken input.

    `make` writes it into an empty folder and returns the arguments of `qbench`, which runs in that folder. `line` must
    stand within one line of what is printed; `{}` in it is the folder. `then` looks at what is left in the folder."""

    name: str
    make: Callable[[Path], Arguments]
    line: str
    code: int = 2
    then: Callable[[Path, Said], None] | None = None
    alone: bool = False
    """Whether it needs a process of its own: it may hang, die or fill the memory."""
    env: tuple[tuple[str, str], ...] = ()
    """Variables of the process of its own."""


def check(case: Case, folder: Path) -> None:
    """Run a case in an empty folder and see that it does what it must."""
    arguments = [str(argument) for argument in case.make(folder)]
    said = alone(arguments, folder, dict(case.env)) if case.alone else here(arguments, folder)
    text = f"{said.out}\n{said.err}"
    line = case.line.replace("{}", str(folder))
    assert "Traceback" not in text, text
    assert said.code == case.code, f"exit code {said.code}, not {case.code}:\n{text}"
    assert any(line in printed for printed in text.splitlines()), f"no line holds {line!r}:\n{text}"
    if case.code == 2:
        printed = [one for one in said.err.splitlines() if one.strip()]
        assert len(printed) == 1, f"one line is promised:\n{said.err}"
    assert all(c.isprintable() or c in "\n\t" for c in said.err), f"control characters are printed: {said.err!r}"
    if case.then is not None:
        case.then(folder, said)


def here(arguments: Sequence[str], folder: Path) -> Said:
    """The command in this process."""
    from qbench.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = 0
    with chdir(folder), patch.object(sys, "argv", ["qbench", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return Said(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


def alone(arguments: Sequence[str], folder: Path, env: dict[str, str]) -> Said:
    """The command in a process of its own, with limits of time and memory."""

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))

    command = [sys.executable, "-c", "from qbench.cli import main; main()", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, timeout=SECONDS, check=False,
        preexec_fn=bounded,
    )  # fmt: skip
    return Said(done.returncode, *(text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr)))


SUITE = """\
suite: broken
version: 1
changelog: {1: first}
engine: {batch: 2, shard: 2}
tasks:
  - dataset: DATASET
    models: [MODEL]
    conditions: [CONDITIONS]
    methods: [METHODS]
"""


def suite(
    folder: Path,
    *,
    dataset: str = "{name: scenes, count: 4}",
    model: str = "builtin:scenes",
    conditions: str = "clean",
    methods: str = "direct",
    more: str = "",
) -> Path:
    """Writes a suite of one task, which runs in a second, and returns its file; `more` are lines behind the task."""
    file = folder / "suite.yaml"
    words = {"DATASET": dataset, "MODEL": model, "CONDITIONS": conditions, "METHODS": methods}
    text = SUITE
    for word, value in words.items():
        text = text.replace(word, value)
    file.write_text(text + more, encoding="utf-8")
    return file


def run(folder: Path, *options: str | Path, **words: str) -> Arguments:
    """The arguments that run `suite(folder, **words)` on the CPU into `folder / "run"`, with its records."""
    return ["run", suite(folder, **words), "--out", folder / "run", "--own-store", "--device", "cpu", *options]


def validate(folder: Path, text: str) -> Arguments:
    """The arguments that validate a suite of this text."""
    file = folder / "suite.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    return ["validate", file]


def plugin(folder: Path, name: str, text: str) -> Path:
    """A plug-in file of this text. Names of files and entries must be new: one process holds the entries of all."""
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return file


def picture(file: Path, size: tuple[int, int] = (80, 80), seed: int = 0, **options: object) -> Path:
    """A picture of noise, in the format of the file's suffix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, **options)
    return file
